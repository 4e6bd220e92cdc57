//! `lanpost mcp`, the real program, used by the SDK's own client: mail both ways, requests, tasks, what goes wrong, the end.

mod client;
mod ends;
mod hostile;
mod mail;
mod promise;
mod resources;
mod tasks;
mod waiting;
