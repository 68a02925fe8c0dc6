//! The checks that every store has to pass: with one partition, and with sixteen on one server, where most writes touch
//! two.

mod one {
    wsc_server::conformance!(|| crate::store(1));
}

mod sixteen {
    wsc_server::conformance!(|| crate::store(16), cut: Some(|store, on| store.store.cut(on)));
}
