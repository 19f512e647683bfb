//! Chromium's DevTools protocol on the browser's own socket. It reaches parts that chromedriver can't, because
//! chromedriver speaks for one page at a time.

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_websockets::{ClientBuilder, Message, WebSocketStream};

use wstp_testkit::SHORT;

/// A connection to the browser. Dropping it detaches its targets.
#[derive(Debug)]
pub(crate) struct DevTools {
    socket: WebSocketStream<TcpStream>,
    next: u64,
    /// Events of the browser.
    events: Vec<Value>,
}

impl DevTools {
    /// Connects to the browser whose `DevToolsActivePort` names this port and path.
    pub(crate) async fn connect(port: u16, path: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("Chromium takes no DevTools connection")?;
        let url = format!("ws://127.0.0.1:{port}{path}");
        let builder = ClientBuilder::new().uri(&url).context("Chromium's DevTools have a strange path")?;
        let (socket, _) = builder.connect_on(stream).await.context("Chromium's DevTools do not answer")?;
        Ok(Self { socket, next: 0, events: Vec::new() })
    }

    /// Sends a command, to the browser itself or to a session with one of its targets, and waits for the result.
    pub(crate) async fn command(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value> {
        self.ask(session, method, parameters).await?.with_context(|| format!("the target of {method} is gone"))
    }

    /// The same; `None` if the session's target ended and answers no more.
    async fn ask(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Result<Option<Value>> {
        let is_end = |event: &Value| {
            event["method"] == "Target.detachedFromTarget"
                && session.is_some_and(|session| event["params"]["sessionId"] == session)
        };
        if self.events.iter().any(is_end) {
            return Ok(None);
        }
        self.next += 1;
        let id = self.next;
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        self.socket.send(Message::text(command.to_string())).await?;
        loop {
            let mut told = self.receive().await.with_context(|| format!("no answer to {method}"))?;
            if told["id"] == id {
                ensure!(told["error"].is_null(), "DevTools refuse {method}: {}", told["error"]["message"]);
                return Ok(Some(told["result"].take()));
            }
            let has_ended = is_end(&told);
            self.events.push(told);
            if has_ended {
                return Ok(None);
            }
        }
    }

    /// Takes an event that has already arrived.
    pub(crate) fn told(&mut self, method: &str) -> Option<Value> {
        let at = self.events.iter().position(|event| event["method"] == method)?;
        Some(self.events.remove(at)["params"].take())
    }

    /// Takes an event that has arrived, or waits for it.
    pub(crate) async fn event(&mut self, method: &str) -> Result<Value> {
        loop {
            if let Some(event) = self.told(method) {
                return Ok(event);
            }
            let told = self.receive().await.with_context(|| format!("waiting for {method}"))?;
            self.events.push(told);
        }
    }

    /// Everything that can be attached to.
    pub(crate) async fn targets(&mut self) -> Result<Vec<Value>> {
        let found = self.command(None, "Target.getTargets", json!({ "filter": [{}] })).await?;
        found["targetInfos"].as_array().cloned().context("DevTools list no targets")
    }

    /// Begins a session with a target.
    pub(crate) async fn attach(&mut self, target: &Value) -> Result<String> {
        let parameters = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.command(None, "Target.attachToTarget", parameters).await?;
        Ok(attached["sessionId"].as_str().context("DevTools begin no session")?.to_owned())
    }

    /// Evaluates an expression in a target; `None` if that ends meanwhile.
    pub(crate) async fn evaluate(&mut self, session: &str, expression: &str) -> Result<Option<Value>> {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let found = self.ask(Some(session), "Runtime.evaluate", parameters).await?;
        Ok(found.map(|mut found| found["result"]["value"].take()))
    }

    async fn receive(&mut self) -> Result<Value> {
        loop {
            match timeout(SHORT, self.socket.next()).await.context("Chromium's DevTools are silent")? {
                Some(message) => {
                    if let Some(text) = message?.as_text() {
                        return Ok(serde_json::from_str(text)?);
                    }
                }
                None => bail!("Chromium's DevTools closed the connection"),
            }
        }
    }
}
