//! lanpost: a post office in a shared folder.
pub mod adapt;
pub mod app;
pub mod engine;
pub mod error;
pub mod model;
pub mod store;
pub mod sys;
