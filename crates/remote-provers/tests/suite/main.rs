//! Remote provers before a real core over a real store: fake provers listen on loopback and misbehave as told.

mod control;
mod health;
mod leases;
mod support;
