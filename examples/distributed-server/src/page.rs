//! The page and the little that it asks for: which hubs there are, kill one, start one.

use std::path::Path as FilePath;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::SDK;
use crate::processes::{Hubs, Shown};

const HTML: &str = include_str!("../page/index.html");
const STYLE: &str = include_str!("../page/page.css");
const SCRIPT: &str = include_str!("../page/page.js");

pub(crate) fn routes(hubs: Hubs) -> Router {
    Router::new()
        .route("/", get(async || text("text/html", HTML)))
        .route("/page.css", get(async || text("text/css", STYLE)))
        .route("/page.js", get(async || text("text/javascript", SCRIPT)))
        .route("/wsc.js", get(sdk))
        .route("/hubs", get(async |State(hubs): State<Hubs>| -> Json<Vec<Shown>> { Json(hubs.shown()) }))
        .route("/hubs/{name}/kill", post(kill))
        .route("/hubs/{name}/start", post(start))
        .with_state(hubs)
}

fn text(kind: &'static str, content: impl Into<axum::body::Body>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], content.into())
}

async fn sdk() -> Result<impl IntoResponse, (StatusCode, String)> {
    let content = std::fs::read(FilePath::new(SDK)).map_err(|error| failed(&error.into()))?;
    Ok(text("text/javascript", content))
}

async fn kill(State(hubs): State<Hubs>, Path(name): Path<String>) -> Result<(), (StatusCode, String)> {
    hubs.kill(&name).await.map_err(|error| failed(&error))
}

async fn start(State(hubs): State<Hubs>, Path(name): Path<String>) -> Result<(), (StatusCode, String)> {
    hubs.start(&name).await.map(drop).map_err(|error| failed(&error))
}

fn failed(error: &anyhow::Error) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n"))
}
