//! Events of the network, each followed to where it leaves the three rows.
