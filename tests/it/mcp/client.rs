//! A client, as an agent has one: it starts `lanpost mcp` on its PC, calls tools, and hears of progress.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientRequest, JsonObject, ProgressNotificationParam, Request,
    ServerResult,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RequestHandle, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceError, ServiceExt};
use serde_json::Value;

use crate::common::process::{PATIENCE, Pc};

/// An agent's client; its server ends with it.
pub struct Client {
    pub running: RunningService<RoleClient, Hears>,
    /// What it heard while calls were at work.
    pub heard: Arc<Mutex<Vec<String>>>,
    pub pid: u32,
}

/// Hears of progress.
pub struct Hears(Arc<Mutex<Vec<String>>>);

impl ClientHandler for Hears {
    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.lock().unwrap().push(progress.message.unwrap_or_default());
    }
}

/// What a tool answered.
#[derive(Debug)]
pub struct Said {
    pub text: String,
    pub data: Value,
    pub failed: bool,
}

impl From<CallToolResult> for Said {
    fn from(result: CallToolResult) -> Said {
        let text: Vec<_> =
            result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.clone()).collect();
        Said {
            text: text.join("\n"),
            data: result.structured_content.unwrap_or_default(),
            failed: result.is_error == Some(true),
        }
    }
}

impl Client {
    /// Starts the server with these arguments beside its own.
    pub async fn start(pc: &Pc, more: &[&str]) -> Client {
        let mut words = vec!["mcp"];
        words.extend(more);
        let command = tokio::process::Command::from(pc.command(&words));
        let process = TokioChildProcess::new(command).unwrap();
        let (pid, heard) = (process.id().unwrap(), Arc::new(Mutex::new(vec![])));
        let running = Hears(heard.clone()).serve(process).await.unwrap();
        Client { running, heard, pid }
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, given: Value) -> Said {
        let call = self.running.peer().call_tool(params(tool, given));
        tokio::time::timeout(PATIENCE, call).await.expect("an answer in time").unwrap().into()
    }

    /// Calls a tool, which must not fail.
    pub async fn ok(&self, tool: &str, given: Value) -> Said {
        let said = self.call(tool, given).await;
        assert!(!said.failed, "{tool}: {}", said.text);
        said
    }

    /// Calls a tool, which must fail; what it says.
    pub async fn fails(&self, tool: &str, given: Value) -> String {
        let said = self.call(tool, given).await;
        assert!(said.failed, "{tool}: {said:?}");
        said.text
    }

    /// Begins to call a tool.
    pub async fn begin(&self, tool: &str, given: Value) -> RequestHandle<RoleClient> {
        let request = ClientRequest::CallToolRequest(Request::new(params(tool, given)));
        let options = PeerRequestOptions::no_options();
        self.running.peer().send_cancellable_request(request, options).await.unwrap()
    }

    /// Closes the server's input, and waits for its end.
    pub async fn close(mut self) {
        self.running.close_with_timeout(Duration::from_secs(60)).await.unwrap().expect("its end in time");
    }
}

fn params(tool: &str, given: Value) -> CallToolRequestParams {
    let given: JsonObject = serde_json::from_value(given).unwrap();
    CallToolRequestParams::new(tool.to_owned()).with_arguments(given)
}

/// The answer to a call that was begun.
pub async fn answer(call: RequestHandle<RoleClient>) -> Result<Said, ServiceError> {
    let answered = tokio::time::timeout(PATIENCE, call.await_response()).await.expect("an answer in time")?;
    match answered {
        ServerResult::CallToolResult(result) => Ok(result.into()),
        other => panic!("no answer of a tool: {other:?}"),
    }
}

/// Runs a test that talks with servers.
pub fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

/// Looks until `probe` has an answer, as [`until`](crate::common::process::until) does, and lets others run meanwhile.
pub async fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let looks = async {
        loop {
            if let Some(value) = probe() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looks).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
