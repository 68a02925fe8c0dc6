//! The addresses of a hub: as they are given, and as sockets are opened at them. Never chooses one: the machine counts.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_tungstenite::Connector;
use wsc_core::backoff::Random;

use crate::error::BuildError;
use crate::transport::Transport;

/// One address of a hub or several, for [`Client::builder`](crate::Client::builder): a text, or a list of texts.
///
/// ```
/// use wsc_client::Client;
/// let one = Client::builder("wss://hub.example");
/// let several = Client::builder(["wss://a.example", "wss://b.example"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Vec<String>);

impl From<&str> for Addresses {
    fn from(address: &str) -> Self {
        Self(vec![address.to_owned()])
    }
}

impl From<&String> for Addresses {
    fn from(address: &String) -> Self {
        Self(vec![address.clone()])
    }
}

impl From<String> for Addresses {
    fn from(address: String) -> Self {
        Self(vec![address])
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Addresses {
    fn from(addresses: [T; N]) -> Self {
        Self(addresses.map(Into::into).into())
    }
}

impl<T: Into<String>> From<Vec<T>> for Addresses {
    fn from(addresses: Vec<T>) -> Self {
        Self(addresses.into_iter().map(Into::into).collect())
    }
}

impl<T: AsRef<str>> From<&[T]> for Addresses {
    fn from(addresses: &[T]) -> Self {
        Self(addresses.iter().map(|address| address.as_ref().to_owned()).collect())
    }
}

/// The ways to a hub, and which of them was chosen last.
#[derive(Debug)]
pub(crate) struct Transports {
    /// At least one.
    list: Vec<Transport>,
    chosen: AtomicUsize,
}

impl Transports {
    /// Checks the addresses. One that is given twice counts once.
    pub(crate) fn new(addresses: &Addresses, mut connector: Option<Connector>) -> Result<Self, BuildError> {
        let mut list = Vec::<Transport>::new();
        for address in &addresses.0 {
            let transport = Transport::new(address, &mut connector)?;
            if !list.contains(&transport) {
                list.push(transport);
            }
        }
        if list.is_empty() {
            return Err(BuildError::NoAddress);
        }
        Ok(Self { list, chosen: AtomicUsize::default() })
    }

    /// Puts them in any order, so that the clients of a hub that is gone do not all go to the same one.
    pub(crate) fn shuffle(&mut self, random: &mut Random) {
        for last in (1..self.list.len()).rev() {
            let other = random.up_to(last as u64);
            self.list.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }

    /// The way of a number, which may be any.
    pub(crate) fn choose(&self, number: u32) -> Transport {
        let index = number as usize % self.list.len();
        self.chosen.store(index, Ordering::Relaxed);
        self.list[index].clone()
    }

    /// The address chosen last.
    pub(crate) fn address(&self) -> &str {
        self.list[self.chosen.load(Ordering::Relaxed)].address()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn each_order_of_the_addresses_is_as_likely() {
        let mut orders = BTreeMap::<Vec<String>, u32>::new();
        for seed in 0..6000 {
            let addresses = Addresses::from(["ws://a", "ws://b", "ws://c"]);
            let mut transports = Transports::new(&addresses, None).expect("they are right");
            transports.shuffle(&mut Random::new(seed));
            let order = (0..3).map(|number| transports.choose(number).address().to_owned()).collect();
            *orders.entry(order).or_default() += 1;
        }
        assert_eq!(orders.len(), 6);
        assert!(orders.values().all(|count| (900..1100).contains(count)), "{orders:?}");
    }
}
