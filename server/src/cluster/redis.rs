//! The broker over Redis: one connection that subscribes and publishes. What comes in is handed over as it is read, so that
//! nothing gathers here; a hub that cannot follow makes the socket wait, and in the end Redis ends the connection.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redis::aio::{AsyncPushSender, MultiplexedConnection, SendError};
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisResult, Value};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::broker::{Broker, Inbox};
use super::topic::Topic;
use crate::log::redis::channel::{Channels, pause};
use crate::log::redis::worker::{Worker, timed};
use crate::log::redis::{RedisStore, read_tip};

/// Topics in one command.
const TOPICS: usize = 512;
/// Messages in one go.
const MESSAGES: usize = 256;
/// Bytes of messages that wait to be published; beyond, more are dropped.
const WAITING: usize = 8 * 1024 * 1024;
/// How often it says something to itself, and after how long without hearing it the connection counts as dead.
const PROBE: Duration = Duration::from_secs(1);
const SILENCE: Duration = Duration::from_secs(4);

/// A [`Broker`] over the Redis of a [`RedisStore`].
pub struct RedisBroker {
    orders: UnboundedSender<Order>,
    incoming: Arc<Incoming>,
    /// Bytes that wait to be published.
    waiting: Arc<AtomicUsize>,
    channels: Arc<Channels>,
    /// What [`Broker::start`] starts.
    task: Mutex<Option<UnboundedReceiver<Order>>>,
    worker: Worker,
}

/// What the hub wants.
enum Order {
    Publish(Topic, Bytes),
    Subscribe(Vec<Topic>),
    Unsubscribe(Vec<Topic>),
}

impl fmt::Debug for RedisBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBroker").finish_non_exhaustive()
    }
}

impl RedisBroker {
    /// A broker over the server that a store is on, with a connection of its own.
    ///
    /// ```no_run
    /// use wsc_server::log::redis::RedisOptions;
    /// use wsc_server::{Hub, RedisBroker, RedisStore};
    /// let store = RedisStore::open(RedisOptions::default())?;
    /// let broker = RedisBroker::new(&store)?;
    /// let hub = Hub::builder(store).broker(broker).start()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn new(store: &RedisStore) -> std::io::Result<Self> {
        let channels = Arc::new(store.channels());
        let (orders, task) = unbounded_channel();
        let incoming = Arc::new(Incoming {
            inbox: OnceLock::new(),
            own: channels.own(),
            heard: Mutex::new(Instant::now()),
            topics: Mutex::default(),
        });
        let worker = Worker::start("wsc-redis-broker")?;
        let (waiting, task) = (Arc::default(), Mutex::new(Some(task)));
        Ok(Self { orders, incoming, waiting, channels, task, worker })
    }

    fn order(&self, order: Order) {
        // The task ends with this value, not before.
        let _ = self.orders.send(order);
    }
}

impl Broker for RedisBroker {
    fn start(&self, inbox: Inbox) {
        let _ = self.incoming.inbox.set(inbox);
        let orders = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(orders) = orders {
            let task = Task {
                orders,
                incoming: Arc::clone(&self.incoming),
                waiting: Arc::clone(&self.waiting),
                channels: Arc::clone(&self.channels),
            };
            self.worker.handle.spawn(task.run());
        }
    }

    fn publish(&self, topic: Topic, message: Bytes) {
        let size = message.len();
        if self.waiting.fetch_add(size, Ordering::Relaxed) > WAITING {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            return;
        }
        self.order(Order::Publish(topic, message));
    }

    fn subscribe(&self, topics: Vec<Topic>) {
        self.order(Order::Subscribe(topics));
    }

    fn unsubscribe(&self, topics: Vec<Topic>) {
        self.order(Order::Unsubscribe(topics));
    }
}

/// Takes what Redis sends, on the thread that reads it.
struct Incoming {
    inbox: OnceLock<Inbox>,
    /// The channel of the probes.
    own: String,
    /// When the last probe was heard.
    heard: Mutex<Instant>,
    /// The topics that are wanted, by channel. Never locked while the inbox is called: who subscribes may hold locks of its
    /// own.
    topics: Mutex<HashMap<String, Topic>>,
}

impl Incoming {
    fn topic(&self, channel: &str) -> Option<Topic> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).get(channel).cloned()
    }

    fn heard(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn is_silent(&self) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > SILENCE
    }

    fn take(&self, push: &PushInfo) {
        let (Some(Value::BulkString(channel)), Some(inbox)) = (push.data.first(), self.inbox.get()) else {
            return;
        };
        let Ok(channel) = std::str::from_utf8(channel) else { return };
        match (&push.kind, push.data.get(1)) {
            (PushKind::Message, _) if *channel == self.own => self.heard(),
            (PushKind::Subscribe, _) => inbox.subscribed(self.topic(channel)),
            (PushKind::Message, Some(Value::BulkString(message))) => {
                let Some(topic) = self.topic(channel) else { return };
                match &topic {
                    // Only scripts write this letter first.
                    Topic::Stream(stream) if message.first() == Some(&b'T') => match read_tip(message) {
                        Ok(tip) => inbox.announced(stream, tip),
                        Err(_) => inbox.missed(topic),
                    },
                    _ => inbox.message(&topic, message),
                }
            }
            _ => {}
        }
    }
}

/// [`Incoming`], for one connection.
struct Receiver {
    incoming: Arc<Incoming>,
    ended: Arc<Notify>,
}

impl AsyncPushSender for Receiver {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        if push.kind == PushKind::Disconnection {
            self.ended.notify_one();
        }
        self.incoming.take(&push);
        Ok(())
    }
}

/// Does what the hub wants, in order, whether there is a connection or not.
struct Task {
    orders: UnboundedReceiver<Order>,
    incoming: Arc<Incoming>,
    waiting: Arc<AtomicUsize>,
    channels: Arc<Channels>,
}

impl Task {
    async fn run(mut self) {
        let mut failures = 0;
        loop {
            let connecting = connect(Arc::clone(&self.incoming), Arc::clone(&self.channels));
            let connection = match self.meanwhile(connecting).await {
                ControlFlow::Break(()) => return,
                ControlFlow::Continue(connection) => connection,
            };
            let error = match connection {
                Ok((connection, ended)) => {
                    failures = 0;
                    match self.serve(connection, &ended).await {
                        Ok(()) => return,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            tracing::warn!(%error, "no hints from other hubs until Redis answers; the store is asked instead");
            failures += 1;
            let waiting = self.meanwhile(tokio::time::sleep(pause(failures)));
            if waiting.await.is_break() {
                return;
            }
        }
    }

    /// Waits for something while nothing can be sent: messages are dropped, topics remembered. Breaks when the broker is
    /// dropped.
    async fn meanwhile<T>(&mut self, what: impl Future<Output = T>) -> ControlFlow<(), T> {
        let mut what = std::pin::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return ControlFlow::Continue(done),
                order = self.orders.recv() => match order {
                    None => return ControlFlow::Break(()),
                    Some(Order::Publish(_, message)) => drop(self.waiting.fetch_sub(message.len(), Ordering::Relaxed)),
                    Some(Order::Subscribe(topics)) => drop(self.wanted(topics)),
                    Some(Order::Unsubscribe(topics)) => drop(self.unwanted(&topics)),
                },
            }
        }
    }

    fn channel(&self, topic: &Topic) -> String {
        match topic {
            Topic::Stream(stream) => self.channels.stream(stream),
            Topic::Presence(user) => self.channels.presence(user),
            Topic::Observed(scope) => self.channels.observed(scope),
        }
    }

    fn known(&self) -> Vec<String> {
        self.incoming.topics.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Remembers topics; their channels.
    fn wanted(&self, topics: Vec<Topic>) -> Vec<String> {
        let mut known = self.incoming.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = topics.into_iter().map(|topic| (self.channel(&topic), topic));
        wanted.map(|(channel, topic)| (known.insert(channel.clone(), topic), channel).1).collect()
    }

    /// Forgets topics; their channels.
    fn unwanted(&self, topics: &[Topic]) -> Vec<String> {
        let mut known = self.incoming.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let channels = topics.iter().map(|topic| self.channel(topic));
        channels.map(|channel| (known.remove(&channel), channel).1).collect()
    }

    /// Uses a connection until it fails, or the broker is dropped.
    async fn serve(&mut self, mut connection: MultiplexedConnection, ended: &Notify) -> RedisResult<()> {
        self.incoming.heard();
        let known = self.known();
        subscribe(&mut connection, &known).await?;
        let mut probe = tokio::time::interval(PROBE);
        probe.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = self.orders.recv() => {
                    let Some(order) = order else { return Ok(()) };
                    self.make(order, &mut connection).await?;
                }
                () = ended.notified() => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
                _ = probe.tick() => {
                    if self.incoming.is_silent() {
                        return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
                    }
                    let mut publish = redis::cmd("PUBLISH");
                    publish.arg(&self.incoming.own).arg("");
                    timed(publish.query_async::<()>(&mut connection)).await?;
                }
            }
        }
    }

    /// Makes an order and those that wait behind it, each kind in one command.
    async fn make(&mut self, order: Order, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut next = Some(order);
        let mut messages = redis::pipe();
        // The last wish of each channel.
        let mut topics: BTreeMap<String, bool> = BTreeMap::new();
        let mut count = 0;
        while let Some(order) = next {
            match order {
                Order::Publish(topic, message) => {
                    self.waiting.fetch_sub(message.len(), Ordering::Relaxed);
                    messages.cmd("PUBLISH").arg(self.channel(&topic)).arg(&*message).ignore();
                }
                Order::Subscribe(wanted) => {
                    topics.extend(self.wanted(wanted).into_iter().map(|channel| (channel, true)));
                }
                Order::Unsubscribe(unwanted) => {
                    topics.extend(self.unwanted(&unwanted).into_iter().map(|channel| (channel, false)));
                }
            }
            count += 1;
            next = if count < MESSAGES { self.orders.try_recv().ok() } else { None };
        }
        let (wanted, unwanted): (Vec<_>, Vec<_>) = topics.into_iter().partition(|(_, is_wanted)| *is_wanted);
        let names = |topics: Vec<(String, bool)>| topics.into_iter().map(|(channel, _)| channel);
        for channels in names(unwanted).collect::<Vec<_>>().chunks(TOPICS) {
            timed(connection.unsubscribe(channels)).await?;
        }
        subscribe(connection, &names(wanted).collect::<Vec<_>>()).await?;
        if !messages.is_empty() {
            timed(messages.query_async::<()>(connection)).await?;
        }
        Ok(())
    }
}

/// A connection that hears itself, and how it says that it has ended.
async fn connect(
    incoming: Arc<Incoming>,
    channels: Arc<Channels>,
) -> RedisResult<(MultiplexedConnection, Arc<Notify>)> {
    let ended = Arc::new(Notify::new());
    let receiver = Receiver { incoming: Arc::clone(&incoming), ended: Arc::clone(&ended) };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_push_sender(receiver);
    let mut connection = timed(channels.client.get_multiplexed_async_connection_with_config(&config)).await?;
    timed(connection.subscribe(&incoming.own)).await?;
    Ok((connection, ended))
}

async fn subscribe(connection: &mut MultiplexedConnection, channels: &[String]) -> RedisResult<()> {
    for channels in channels.chunks(TOPICS) {
        timed(connection.subscribe(channels)).await?;
    }
    Ok(())
}
