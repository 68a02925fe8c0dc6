//! A raw TCP server of the same shape as the hub: what the machine can do at all. One thread, no protocol.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use anyhow::Result;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// What the server does with what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shape {
    /// Frames of connection 0 go to all others, one write each for all that was read together.
    FanOut,
    /// Frames of connection n go to its partner, n with the last bit turned.
    Relay,
}

/// One connection's writing side; a server that need not wait writes at once.
struct Out {
    stream: Rc<TcpStream>,
    waiting: VecDeque<u8>,
}

type Outs = Rc<RefCell<Vec<Option<Out>>>>;

/// Serves until the process ends. Frames of `input` bytes come in, of `output` bytes go out.
pub fn serve(shape: Shape, input: usize, output: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        super::announce(listener.local_addr()?)?;
        let outs: Outs = Outs::default();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let outs = Rc::clone(&outs);
            tokio::task::spawn_local(async move {
                // A connection that ends is the end of the run.
                let _ = connection(stream, &outs, shape, input, output).await;
            });
        }
    })
}

async fn connection(
    mut stream: TcpStream,
    outs: &Outs,
    shape: Shape,
    input: usize,
    output: usize,
) -> Result<()> {
    let number = usize::try_from(stream.read_u32().await?)?;
    let stream = Rc::new(stream);
    {
        let mut outs = outs.borrow_mut();
        let length = outs.len().max(number + 1);
        outs.resize_with(length, || None);
        outs[number] = Some(Out { stream: Rc::clone(&stream), waiting: VecDeque::new() });
    }
    stream.writable().await?;
    stream.try_write(b"1")?;
    let (mut buffer, mut part) = (vec![0; 64 * 1024], 0);
    let frames = vec![b'x'; output * 1024];
    loop {
        stream.readable().await?;
        let count = match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        let whole = (part + count) / input;
        part = (part + count) % input;
        if whole == 0 {
            continue;
        }
        let bytes = &frames[..whole.min(1024) * output];
        let mut outs = outs.borrow_mut();
        match shape {
            Shape::FanOut => outs.iter_mut().skip(1).flatten().for_each(|out| out.write(bytes)),
            Shape::Relay => outs.get_mut(number ^ 1).into_iter().flatten().for_each(|out| out.write(bytes)),
        }
    }
}

impl Out {
    fn write(&mut self, bytes: &[u8]) {
        if self.waiting.is_empty() {
            let written = self.stream.try_write(bytes).unwrap_or(0);
            if written == bytes.len() {
                return;
            }
            self.waiting.extend(&bytes[written..]);
        } else {
            self.waiting.extend(bytes);
        }
        // What did not fit goes with the next write; the load never lets that be more than a socket holds.
        let (front, _) = self.waiting.as_slices();
        let written = self.stream.try_write(front).unwrap_or(0);
        self.waiting.drain(..written);
    }
}
