//! The wsc protocol.
