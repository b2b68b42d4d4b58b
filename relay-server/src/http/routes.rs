//! Which address leads where, and through which layers.

use std::any::Any;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::Description;
use super::ops::Document;
use super::{consortia, cors, handlers, headers, limits, observe, ops, purifications, rounds, static_files, versions};
use crate::problem::Problem;
use crate::state::App;

/// The API, what operators need, and the page. `extra` gets the API's limits.
pub(crate) fn router(app: &Arc<App>, extra: Router) -> Router {
    let (api, mut document) = OpenApiRouter::with_openapi(Description::openapi()).merge(api()).split_for_parts();
    let (ops, operation) = operation(app.config.admin_listen.is_none()).split_for_parts();
    document.merge(operation);
    let (uploads, described) = uploads().split_for_parts();
    document.merge(described);
    let api = in_time(app, api.with_state(Arc::clone(app)).merge(extra)).merge(uploads.with_state(Arc::clone(app)));
    let api = limited(app, api);
    let router = api.merge(ops.with_state(Arc::clone(app))).layer(Extension(text(&document)));
    let router = match &app.config.www_dir {
        Some(dir) => static_files::serve(router, dir),
        None => router.fallback(nowhere),
    };
    around(app, router)
}

/// What the second address gives out.
pub(crate) fn admin_router(app: &Arc<App>) -> Router {
    let (ops, document) = operation(true).split_for_parts();
    let router = ops.with_state(Arc::clone(app)).layer(Extension(text(&document)));
    around(app, router.fallback(nowhere))
}

fn api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(handlers::list_models))
        .routes(routes!(handlers::card))
        .routes(routes!(handlers::encoder))
        .routes(routes!(handlers::detector))
        .routes(routes!(handlers::purifier))
        .routes(routes!(handlers::make_session))
        .routes(routes!(handlers::infer))
        .routes(routes!(versions::list))
        .routes(routes!(versions::activate))
        .routes(routes!(consortia::found))
        .routes(routes!(consortia::list))
        .routes(routes!(consortia::one))
        .routes(routes!(consortia::invite))
        .routes(routes!(consortia::enrol))
        .routes(routes!(consortia::audit))
        .routes(routes!(rounds::begin))
        .routes(routes!(rounds::list))
        .routes(routes!(rounds::one))
        .routes(routes!(rounds::close))
        .routes(routes!(rounds::delivery))
        .routes(routes!(rounds::confirm))
        .routes(routes!(rounds::certificate))
        .routes(routes!(rounds::answer))
        .routes(routes!(rounds::result))
        .routes(routes!(rounds::events))
        .routes(routes!(purifications::purifiers))
        .routes(routes!(purifications::submit))
        .routes(routes!(purifications::view))
        .routes(routes!(purifications::events))
        .routes(routes!(purifications::result))
        .routes(routes!(purifications::cancel))
}

/// What may take longer than other requests, and bounds its own time.
fn uploads() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(rounds::contribute))
}

fn operation(with_metrics: bool) -> OpenApiRouter<Arc<App>> {
    let router = OpenApiRouter::new().routes(routes!(ops::healthz)).routes(routes!(ops::readyz)).routes(routes!(ops::openapi));
    if with_metrics { router.routes(routes!(ops::metrics)) } else { router }
}

fn in_time(app: &Arc<App>, router: Router) -> Router {
    router.layer(from_fn_with_state(Arc::clone(app), limits::in_time))
}

/// The layer named last is passed first.
fn limited(app: &Arc<App>, router: Router) -> Router {
    router
        .layer(from_fn_with_state(Arc::clone(app), limits::in_flight))
        .layer(from_fn_with_state(Arc::clone(app), limits::identified))
}

/// The layer named last is passed first.
fn around(app: &Arc<App>, router: Router) -> Router {
    let router = router.method_not_allowed_fallback(not_here).layer(CatchPanicLayer::custom(panicked));
    let router = match cors::layer(&app.config.cors) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(from_fn_with_state(headers::Strict::new(&app.config), headers::strict))
        .layer(from_fn_with_state(Arc::clone(app), observe::observe))
}

fn text(document: &utoipa::openapi::OpenApi) -> Document {
    // The document is built from literals; that it serialises is tested.
    Document(document.to_json().unwrap_or_default().into())
}

async fn nowhere(_: Request) -> Problem {
    Problem::not_found()
}

async fn not_here() -> Problem {
    Problem::method_not_allowed()
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}
