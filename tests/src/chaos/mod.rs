//! Chaos: hub, clients and the wire between them as real processes and sockets, all of which fail, and a history of it
//! that is judged at the end. A failing seed gives the same faults again, though not the same moments.

#![allow(clippy::print_stdout, reason = "it says what it does and what came of it")]

mod audit;
mod crowd;
mod device;
mod disk;
mod hub;
mod plan;
mod proxy;
mod run;

pub use crowd::run_crowd;
pub use hub::serve_hub;
pub use run::{Options, run};

use std::io::{BufRead as _, Write as _};

/// Says a line to whoever started this process.
fn say(line: &str) -> std::io::Result<()> {
    println!("{line}");
    std::io::stdout().flush()
}

/// Gives each line of the input; at its end, which is the end of whoever started this process, the process ends.
fn end_with_parent(each: impl Fn(&str) + Send + 'static) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            match line {
                Ok(line) => each(&line),
                Err(_) => break,
            }
        }
        std::process::exit(3);
    });
}
