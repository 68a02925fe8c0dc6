//! The store of a single hub, on its own disk: the engine is fjall, a log-structured merge tree with a journal. One
//! batch of writes is one atomic batch of the engine and one flush. It serves one process.
//!
//! **What holds after a failed write.** When a batch cannot be written or flushed, its caller gets an error, no reader
//! of this process ever sees any of it, and every later write fails. Part of it may have reached the journal. After a
//! restart it is there wholly or not at all: if wholly, the messages nobody was told are stored become visible, and
//! sending them again is answered with "duplicate".

mod append;
mod apply;
mod attach;
mod codec;
mod conversations;
mod devices;
mod engine;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
mod layout;
mod marker;
mod members;
mod opening;
mod progress;
mod read;
mod readers;
mod recent;
mod record;
mod retain;
#[cfg(test)]
mod tests;
mod work;
mod writer;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

pub use marker::{FORMAT, OpenError};

use self::engine::{Engine, View, system_cause};
use self::marker::{Directory, Left};
use self::opening::Opening as _;
use self::read::Reading;
use self::readers::Readers;
use self::work::Memory;
use self::writer::{Command, Writer};
use super::key::{GroupKey, Scope, StreamKey, UserKey};
use super::store::{
    Answers, Beat, Conversation, Device, Durability, Found, Members, Membership, Milliseconds, Nodes, Opened,
    Page, Person, Ranges, Retention, Store, StoreError, StoreFuture, Summary, Tip, WaitingMark, Write,
};

/// How the store works.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// How long things are kept.
    pub retention: Retention,
    /// What "stored" means.
    pub durability: Durability,
    /// Bytes of the engine's block cache.
    pub cache: u64,
    /// How many streams the writer remembers.
    pub streams: usize,
    /// How many threads read.
    pub readers: usize,
    /// The directory was restored from a copy: what was given since may be missing, so a new epoch begins.
    pub restored: bool,
}

impl Default for EmbeddedOptions {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            durability: Durability::default(),
            cache: 64 * 1024 * 1024,
            streams: 100_000,
            readers: 2,
            restored: false,
        }
    }
}

/// A store in a directory.
///
/// A write is under way as soon as [`Store::write`] is called, whether or not its future is waited for. No method blocks
/// the calling thread, except [`EmbeddedStore::open`] and dropping.
pub struct EmbeddedStore {
    readers: Arc<Readers>,
    /// `None` after closing.
    commands: Mutex<Option<Sender<Command>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedStore {
    /// Opens the store in a directory, which is made when it does not exist. Blocks while the journal is read.
    ///
    /// # Errors
    /// One kind for each thing that can be wrong, with what to do about it.
    ///
    /// ```
    /// use wsc_server::{EmbeddedStore, Hub};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("data");
    /// let hub = Hub::builder(EmbeddedStore::open(path, Default::default())?).start()?;
    /// # tokio::runtime::Runtime::new()?.block_on(hub.drain());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "options are made for one opening")]
    pub fn open(path: impl AsRef<Path>, options: EmbeddedOptions) -> Result<Self, OpenError> {
        let marker::Found { directory, left, mut epochs, is_copy } = Directory::open(path.as_ref())?;
        let damaged = |cause: String| OpenError::Damaged { path: path.as_ref().to_path_buf(), cause };
        if left != Left::New {
            let found = inspect::damaged_file(&directory.data());
            if let Some(file) = found.map_err(|cause| OpenError::system(path.as_ref(), cause))? {
                return Err(damaged(format!("the file {} is not what was written", file.display())));
            }
        }
        // Damaged files may make the engine panic.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            Engine::open(&directory.data(), options.cache, epochs.clone(), options.retention)
        }));
        let engine = opened
            .map_err(|_| damaged("the storage engine panicked; see the log".to_owned()))?
            .map_err(|error| match (error, path.as_ref()) {
                (fjall::Error::Locked, path) => OpenError::InUse(path.to_path_buf()),
                (fjall::Error::Io(cause), path) if cause.kind() != std::io::ErrorKind::InvalidData => {
                    OpenError::system(path, cause)
                }
                (error, _) => {
                    damaged(system_cause(&error).map_or_else(|| error.to_string(), ToString::to_string))
                }
            })?;
        let memory = catch_unwind(AssertUnwindSafe(|| Memory::load(&engine, options.streams)));
        let memory = memory
            .map_err(|_| damaged("the storage engine panicked; see the log".to_owned()))?
            .map_err(|error| damaged(error.to_string()))?;
        let complete = match left {
            Left::New | Left::Flushed => true,
            Left::Unflushed => false,
            // The count shows a journal that was cut.
            Left::Closed(batches) => batches == memory.batches,
        };
        let shown = path.as_ref().display();
        if options.restored {
            tracing::warn!(path = %shown, "a new epoch begins, because the directory was restored; start without --restored next time");
        } else if is_copy {
            tracing::warn!(path = %shown, "the store's directory is a copy: what happened after it was made is missing, so a new epoch begins");
        }
        if !complete || is_copy || options.restored {
            epochs.begin();
            engine.set_epochs(epochs.clone());
        }
        let system = |cause| OpenError::system(path.as_ref(), cause);
        directory.write(Left::open(options.durability), &epochs).map_err(system)?;

        let engine = Arc::new(engine);
        let readers = Arc::new(Readers::start(&engine, options.readers).map_err(system)?);
        let (commands, queue) = channel();
        let (durability, in_writer) = (options.durability, readers.clone());
        let writer = Writer { engine, directory, memory, readers: in_writer, durability, failed: None };
        let writer = Builder::new()
            .name("store-write".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(system)?;
        Ok(Self { readers, commands: Mutex::new(Some(commands)), writer: Mutex::new(Some(writer)) })
    }

    fn command<T: Send + 'static>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Command,
    ) -> StoreFuture<'_, T> {
        let (answer, answered) = oneshot::channel();
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(commands) = commands.as_ref() {
            // When the writer has gone, the answer's end was dropped with the command.
            let _ = commands.send(command(answer));
        }
        Box::pin(async move { answered.await.unwrap_or(Err(StoreError::Closed)) })
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let (answer, answered) = oneshot::channel();
        let taken = self.readers.submit(Box::new(move |engine| {
            let _ = answer.send(question(&engine.view()));
        }));
        Box::pin(async move {
            if !taken {
                return Err(StoreError::Closed);
            }
            answered.await.unwrap_or_else(|_| {
                Err(StoreError::Damaged("the storage engine panicked; see the log".into()))
            })
        })
    }
}

impl Store for EmbeddedStore {
    fn write<'a>(&'a self, _lane: usize, batch: &'a [Write]) -> Answers<'a> {
        let count = batch.len();
        let batch = batch.to_vec();
        let answered = self.command(|answer| Command::Write(batch, answer));
        Box::pin(async move { answered.await.unwrap_or_else(|error| vec![Err(error); count]) })
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        let (stream, reading) =
            (stream.clone(), Reading { from, limit, max_bytes, back: false, bodies: true });
        self.ask(move |view| view.page(&stream, reading))
    }

    fn read_back<'a>(
        &'a self,
        stream: &'a StreamKey,
        from: u64,
        limit: usize,
        max_bytes: usize,
    ) -> StoreFuture<'a, Page> {
        let (stream, reading) =
            (stream.clone(), Reading { from, limit, max_bytes, back: true, bodies: true });
        self.ask(move |view| view.page(&stream, reading))
    }

    fn headers<'a>(&'a self, stream: &'a StreamKey, from: u64, limit: usize) -> StoreFuture<'a, Page> {
        let reading = Reading { from, limit, max_bytes: usize::MAX, back: false, bodies: false };
        let stream = stream.clone();
        self.ask(move |view| view.page(&stream, reading))
    }

    fn tips<'a>(&'a self, streams: &'a [StreamKey]) -> StoreFuture<'a, Vec<Tip>> {
        let streams = streams.to_vec();
        self.ask(move |view| streams.iter().map(|stream| view.tip(stream)).collect())
    }

    fn open<'a>(&'a self, user: &'a UserKey, device: Option<&'a str>) -> StoreFuture<'a, Opened> {
        let (user, device) = (user.clone(), device.map(str::to_owned));
        self.ask(move |mut view| view.open(&user, device.as_deref()))
    }

    fn devices<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<Device>> {
        let user = user.clone();
        self.ask(move |view| view.devices(&user))
    }

    fn last_seen<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Milliseconds> {
        let user = user.clone();
        self.ask(move |view| view.last_seen(&user))
    }

    fn people<'a>(&'a self, users: &'a [UserKey]) -> StoreFuture<'a, Vec<Person>> {
        let users = users.to_vec();
        self.ask(move |view| users.iter().map(|user| view.person(user)).collect())
    }

    fn claimed<'a>(
        &'a self,
        scope: &'a Scope,
        after: &'a str,
        limit: usize,
    ) -> StoreFuture<'a, Vec<Arc<str>>> {
        let (scope, after) = (scope.clone(), after.to_owned());
        self.ask(move |view| Ok(view.engine.claims().claimed(&scope, &after, limit)))
    }

    fn beat<'a>(&'a self, beat: &'a Beat) -> StoreFuture<'a, Nodes> {
        let beat = beat.clone();
        self.ask(move |view| Ok(view.engine.claims().beat(&beat)))
    }

    fn marks<'a>(&'a self, user: &'a UserKey) -> StoreFuture<'a, Vec<(Conversation, u64)>> {
        let user = user.clone();
        self.ask(move |view| view.marks(&user))
    }

    fn conversations<'a>(&'a self, user: &'a UserKey, now: Milliseconds) -> StoreFuture<'a, Vec<Summary>> {
        let user = user.clone();
        let found = self.ask(move |view| view.conversations(&user, now));
        Box::pin(async move {
            let (found, to_store) = found.await?;
            if !to_store.is_empty()
                && let Some(commands) = self.commands.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            {
                // Nobody waits for it: what is not stored is made again.
                let _ = commands.send(Command::Index(to_store));
            }
            Ok(found)
        })
    }

    fn waiting_marks(&self, limit: usize) -> StoreFuture<'_, Vec<WaitingMark>> {
        self.ask(move |view| view.waiting_marks(limit))
    }

    fn delivered<'a>(&'a self, user: &'a UserKey, stream: &'a StreamKey) -> StoreFuture<'a, Ranges> {
        let (user, stream) = (user.clone(), stream.clone());
        self.ask(move |view| view.delivered(&user, &stream))
    }

    fn find<'a>(
        &'a self,
        sender: &'a UserKey,
        message_ids: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Found>>> {
        let (sender, message_ids) = (sender.clone(), message_ids.to_vec());
        self.ask(move |view| message_ids.iter().map(|id| view.find(&sender, id)).collect())
    }

    fn members<'a>(
        &'a self,
        group: &'a GroupKey,
        after: Option<&'a str>,
        limit: usize,
    ) -> StoreFuture<'a, Members> {
        let (group, after) = (group.clone(), after.map(str::to_owned));
        self.ask(move |view| view.members(&group, after.as_deref(), limit))
    }

    fn member_count<'a>(&'a self, group: &'a GroupKey) -> StoreFuture<'a, u64> {
        let group = group.clone();
        self.ask(move |view| view.member_count(&group))
    }

    fn memberships<'a>(
        &'a self,
        group: &'a GroupKey,
        users: &'a [Arc<str>],
    ) -> StoreFuture<'a, Vec<Option<Membership>>> {
        let (group, users) = (group.clone(), users.to_vec());
        self.ask(move |view| view.memberships(&group, &users))
    }

    fn maintain(&self, now: Milliseconds) -> StoreFuture<'_, bool> {
        self.command(|answer| Command::Maintain(now, answer))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.readers.close();
        let (answer, answered) = oneshot::channel();
        if let Some(commands) = commands {
            let _ = commands.send(Command::Close(answer));
        }
        Box::pin(async move { answered.await.unwrap_or(Err(StoreError::Closed)) })
    }
}

impl Drop for EmbeddedStore {
    /// Without [`Store::close`] this is an unclean end; it only waits for the threads, so that the directory is free.
    fn drop(&mut self) {
        self.readers.close();
        self.readers.join();
        self.commands.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Panics in the writer are caught and answered; there is nothing to pass on.
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for EmbeddedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedStore").finish_non_exhaustive()
    }
}
