//! A session for JavaScript. Any environment (the main thread, a worker) may have many; each ends with its environment.

use napi::bindgen_prelude::{AsyncTask, FnArgs, Function, Uint8Array};
use napi::{Env, Error, Result, Status, Task};
use napi_derive::napi;
use tokio::task::AbortHandle;
use wsc_client::BuildError;
use wsc_client::session::{Command as SessionCommand, Snapshot};

use crate::batch::{Batch, quote};
use crate::command::Command;
use crate::runtime::runtime;
use crate::settings::Settings;

/// Reports that cross at once, at most.
const BATCH: usize = 256;

/// Takes a batch's text and bytes.
type Deliver<'a> = Function<'a, FnArgs<(String, Vec<Uint8Array>)>, ()>;

/// One device's connection.
#[napi]
pub struct Session {
    inner: wsc_client::session::Session,
    snapshot: Snapshot,
    listening: Option<AbortHandle>,
}

#[napi]
impl Session {
    /// Opens one, which is idle.
    #[napi(ts_return_type = "Promise<Session>")]
    pub fn open(settings: Settings) -> AsyncTask<Opening> {
        AsyncTask::new(Opening { settings: Some(settings) })
    }

    /// How things stood: device, cursors, and unsettled messages of an earlier process, as JSON.
    #[napi(getter)]
    pub fn snapshot(&self) -> String {
        let Snapshot { device, cursors, pending } = &self.snapshot;
        let mut text = String::from("{\"device\":");
        quote(&mut text, device);
        text.push_str(",\"cursors\":[");
        for (index, (stream, seq)) in cursors.iter().enumerate() {
            text.push_str(if index > 0 { ",[" } else { "[" });
            quote(&mut text, stream);
            text.push_str(&format!(",{seq}]"));
        }
        text.push_str("],\"pending\":[");
        text.push_str(&pending.join(","));
        text.push_str("]}");
        text
    }

    /// Delivers everything from now on, a batch at a time: the next comes when the function has returned. Does not keep
    /// the process alive. `raw`: messages are given as texts.
    #[napi(ts_args_type = "deliver: (text: string, bytes: Uint8Array[]) => void, raw: boolean")]
    pub fn listen(&mut self, deliver: Deliver<'_>, raw: bool) -> Result<()> {
        if self.listening.is_some() {
            return Err(Error::new(Status::InvalidArg, "somebody listens already"));
        }
        let deliver = deliver
            .build_threadsafe_function()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(|context| Ok(Batch::arguments(context.value)))?;
        let session = self.inner.clone();
        let task = runtime()?.spawn(async move {
            loop {
                let reports = session.next(BATCH).await;
                if reports.is_empty() {
                    return;
                }
                // What the function throws is its own affair; that the environment is gone ends this.
                if let Err(error) = deliver.call_async_catch(Batch::of(reports, raw)).await
                    && error.status != Status::PendingException
                {
                    return;
                }
            }
        });
        self.listening = Some(task.abort_handle());
        Ok(())
    }

    /// Takes commands; never waits.
    #[napi]
    pub fn submit(&self, commands: Vec<Command>) -> Result<()> {
        let commands = commands.into_iter().map(Command::checked).collect::<Result<Vec<_>>>()?;
        self.inner.submit(commands);
        Ok(())
    }

    /// Takes messages without bytes, as [`Command::Send`] does: an id and an object a line. Two texts cross faster than
    /// many objects.
    #[napi]
    pub fn send(&self, ids: String, objects: String) -> Result<()> {
        if ids.split('\n').count() != objects.split('\n').count() {
            return Err(Error::new(Status::InvalidArg, "there must be an id for each object"));
        }
        let command = |(id, object): (&str, &str)| SessionCommand::Send {
            message_id: id.to_owned(),
            object: object.to_owned(),
            payload: None,
        };
        self.inner.submit(ids.split('\n').zip(objects.split('\n')).map(command));
        Ok(())
    }
}

/// The environment is gone, or nobody knows of the session any more: without its last clone it closes.
impl Drop for Session {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
    }
}

/// Opening a session may read a file: not on the thread of the event loop.
pub struct Opening {
    settings: Option<Settings>,
}

impl Task for Opening {
    type Output = (wsc_client::session::Session, Snapshot);
    type JsValue = Session;

    fn compute(&mut self) -> Result<Self::Output> {
        let settings = self.settings.take().ok_or_else(|| Error::from_reason("opened twice"))?;
        let opened = runtime()?.block_on(settings.builder().session());
        opened.map_err(|error| {
            let status = match error {
                BuildError::Address(_) | BuildError::NoAddress | BuildError::NoTls => Status::InvalidArg,
                _ => Status::GenericFailure,
            };
            Error::new(status, error.to_string())
        })
    }

    fn resolve(&mut self, _: Env, (inner, snapshot): Self::Output) -> Result<Session> {
        Ok(Session { inner, snapshot, listening: None })
    }
}
