//! Runs any executable through the protocol.
