//! Settings of both programs as their operators meet them: layers, problems, old names, generated texts.

mod common;
mod generated;
mod layers;
mod problems;
mod replaced;
mod robustness;
