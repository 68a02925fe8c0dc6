//! The thread that writes: one batch after the other, each applied, committed and flushed before its answer. After a
//! failure it refuses everything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use fjall::PersistMode;
use tokio::sync::oneshot;

use super::super::key::StreamKey;
use super::super::store::{Answer, Conversation, Durability, Milliseconds, StoreError, Write};
use super::conversations::Stored;
use super::engine::{Engine, system_cause};
use super::marker::{Directory, Left};
use super::readers::Readers;
use super::work::{Memory, Work};

/// Longer ids do not fit into the engine's keys. The protocol's have at most 128 bytes.
const LONGEST_ID: usize = 1_024;

/// What the writer is asked to do.
pub(super) enum Command {
    Write(Vec<Write>, oneshot::Sender<Result<Vec<Answer>, StoreError>>),
    /// Stores indexes of streams.
    Index(Vec<Stored>),
    Maintain(Milliseconds, oneshot::Sender<Result<bool, StoreError>>),
    /// Flushes, releases the engine and says in the marker that all is there.
    Close(oneshot::Sender<Result<(), StoreError>>),
}

/// The writer's own.
pub(super) struct Writer {
    pub(super) engine: Arc<Engine>,
    pub(super) directory: Directory,
    pub(super) memory: Memory,
    pub(super) readers: Arc<Readers>,
    pub(super) durability: Durability,
    /// Why every further write is refused.
    pub(super) failed: Option<StoreError>,
}

impl Writer {
    /// Runs until it is closed or nobody can ask any more.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        while let Ok(command) = commands.recv() {
            match command {
                Command::Write(batch, answer) => {
                    let _ = answer.send(Ok(self.write(&batch)));
                }
                Command::Index(indexes) => {
                    let _ = self.guarded(|writer| writer.index(indexes));
                }
                Command::Maintain(now, answer) => {
                    let _ = answer.send(self.guarded(|writer| writer.maintain(now)));
                }
                Command::Close(answer) => {
                    let _ = answer.send(self.close());
                    return;
                }
            }
        }
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let done = catch_unwind(AssertUnwindSafe(|| work(self)));
        let done = done.unwrap_or_else(|_| {
            // Somewhere in the engine: what it has written is unknown.
            let failed = StoreError::Broken("the storage engine panicked; see the log".into());
            self.failed = Some(failed.clone());
            Err(failed)
        });
        if done.is_err() {
            self.memory.forget();
        }
        self.memory.streams.trim();
        done
    }

    fn write(&mut self, batch: &[Write]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(batch.len());
        // An epoch begins between two batches of the engine.
        for part in batch.chunk_by(|_, next| !matches!(next, Write::BeginEpoch { .. })) {
            match self.guarded(|writer| writer.make(part)) {
                Ok(mut made) => answers.append(&mut made),
                Err(error) => {
                    answers.resize(batch.len(), Err(error));
                    break;
                }
            }
        }
        answers
    }

    /// Makes all writes that can be stored, or none.
    fn make(&mut self, batch: &[Write]) -> Result<Vec<Answer>, StoreError> {
        if let Some(Write::BeginEpoch { ended, .. }) = batch.first() {
            self.begin_epoch(ended)?;
        }
        let engine = self.engine.clone();
        let mut work = Work::new(&engine, &mut self.memory);
        let mut answers = Vec::with_capacity(batch.len());
        for write in batch {
            answers.push(match admissible(write) {
                true => Ok(work.apply(write)?),
                false => Err(StoreError::Invalid("an id is longer than 1,024 bytes".into())),
            });
        }
        let mode = match self.durability {
            Durability::Fsync if work.must_flush => Some(PersistMode::SyncData),
            Durability::Fsync | Durability::Os => Some(PersistMode::Buffer),
            Durability::Memory => None,
        };
        let done = work.commit(mode);
        done.map_err(|error| self.fail(&error))?;
        Ok(answers)
    }

    fn index(&mut self, indexes: Vec<Stored>) -> Result<(), StoreError> {
        let engine = self.engine.clone();
        let mut work = Work::new(&engine, &mut self.memory);
        for (key, value) in indexes {
            work.put_bytes(key, value);
        }
        let mode = (self.durability != Durability::Memory).then_some(PersistMode::Buffer);
        let done = work.commit(mode);
        done.map_err(|error| self.fail(&error))
    }

    fn maintain(&mut self, now: Milliseconds) -> Result<bool, StoreError> {
        let engine = self.engine.clone();
        let mut work = Work::new(&engine, &mut self.memory);
        let more = work.retain(now)?;
        // What is forgotten need not be forgotten durably: after a crash it is forgotten again.
        let mode = (self.durability != Durability::Memory).then_some(PersistMode::Buffer);
        let done = work.commit(mode);
        done.map_err(|error| self.fail(&error))?;
        Ok(more)
    }

    /// Begins a generation in which nothing proves what clients name in the one before.
    fn begin_epoch(&mut self, ended: &str) -> Result<(), StoreError> {
        let mut epochs = (*self.engine.epochs()).clone();
        if *epochs.name(epochs.present()) != *ended {
            return Ok(());
        }
        epochs.distrust();
        epochs.begin();
        if let Err(cause) = self.directory.write(Left::open(self.durability), &epochs) {
            // What the marker says now is unknown.
            let failed = StoreError::Broken(cause.to_string().into());
            self.failed = Some(failed.clone());
            return Err(failed);
        }
        self.engine.set_epochs(epochs);
        Ok(())
    }

    fn fail(&mut self, error: &fjall::Error) -> StoreError {
        use std::io::ErrorKind;
        let no_space = |cause: &std::io::Error| {
            matches!(
                cause.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
            )
        };
        let failed = match system_cause(error) {
            Some(cause) if no_space(cause) => StoreError::Full(cause.to_string().into()),
            Some(cause) => StoreError::Broken(cause.to_string().into()),
            // A thread of the engine failed before and kept the reason to itself: try whether the disk is full.
            None => match self.directory.probe() {
                Err(cause) if no_space(&cause) => StoreError::Full(cause.to_string().into()),
                Err(cause) => StoreError::Broken(cause.to_string().into()),
                Ok(()) => StoreError::Broken(error.to_string().into()),
            },
        };
        tracing::error!(%error, "the store refuses further writes");
        self.failed = Some(failed.clone());
        failed
    }

    fn close(self) -> Result<(), StoreError> {
        let Self { engine, directory, memory, readers, failed, .. } = self;
        readers.join();
        if let Some(failed) = failed {
            return Err(failed);
        }
        let unflushed = |cause: String| StoreError::Broken(cause.into());
        engine.database.persist(PersistMode::SyncAll).map_err(|error| unflushed(error.to_string()))?;
        let epochs = engine.epochs();
        // The readers have ended: this is the last owner, so the engine's own threads end here.
        drop(engine);
        directory.write(Left::Closed(memory.batches), &epochs).map_err(|cause| unflushed(cause.to_string()))
    }
}

/// Whether all ids fit into the engine's keys.
fn admissible(write: &Write) -> bool {
    let short = |id: &str| id.len() <= LONGEST_ID;
    let stream = |stream: &StreamKey| {
        let scope = stream.scope();
        let id = match stream {
            StreamKey::Inbox(user) => &user.user,
            StreamKey::Group(group) => &group.group,
            StreamKey::Broadcast(_) => "",
        };
        short(&scope.app) && short(&scope.namespace) && short(id)
    };
    match write {
        Write::Append(append) => {
            stream(&append.target.stream()) && short(&append.sender) && short(&append.message_id)
        }
        Write::Status { user, .. } => stream(&StreamKey::Inbox(user.clone())),
        Write::Kick { user, .. } => stream(&StreamKey::Inbox(user.clone())),
        Write::See { user, .. } => stream(&StreamKey::Inbox(user.clone())),
        Write::Join(join) => stream(&StreamKey::Group(join.group.clone())) && short(&join.user),
        Write::Leave { group, user, .. } => stream(&StreamKey::Group(group.clone())) && short(user),
        Write::Disband { group, .. } => stream(&StreamKey::Group(group.clone())),
        Write::BeginEpoch { .. } => true,
        Write::Mark { user, conversation, .. } => {
            let (Conversation::Peer(id) | Conversation::Group(id)) = conversation;
            stream(&StreamKey::Inbox(user.clone())) && short(id)
        }
        Write::Delivered(delivered) => {
            let named = delivered.ranges.iter().map(|(name, ..)| name);
            let asked = delivered.asked.iter().map(|(_, sender)| sender);
            stream(&StreamKey::Inbox(delivered.user.clone()))
                && named.into_iter().all(stream)
                && asked.into_iter().all(|sender| short(sender))
        }
        Write::Attach(attach) => {
            let named = attach.cursors.iter().map(|(name, _)| name);
            let joined = attach.joins.iter().map(|join| StreamKey::Group(join.group.clone()));
            stream(&StreamKey::Inbox(attach.user.clone()))
                && short(&attach.device)
                && named.into_iter().all(stream)
                && joined.into_iter().all(|group| stream(&group))
        }
        Write::Device(device) => {
            let named = device.cursors.iter().map(|(name, _)| name).chain(&device.forget);
            stream(&StreamKey::Inbox(device.user.clone()))
                && short(&device.device)
                && named.into_iter().all(stream)
        }
    }
}
