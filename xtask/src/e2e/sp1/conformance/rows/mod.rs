//! The rows of the checklist, by what they are about.

pub(super) mod artifacts;
pub(super) mod connection;
pub(super) mod ecosystem;
pub(super) mod encrypted;
pub(super) mod programs;
pub(super) mod queries;
pub(super) mod requests;
pub(super) mod sdk;
pub(super) mod statuses;
