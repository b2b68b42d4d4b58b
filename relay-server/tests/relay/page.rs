//! The page, headers, other origins, the API's description.

use std::collections::BTreeSet;

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::common::*;

fn assert_strict(headers: &HeaderMap) {
    let policy = headers["content-security-policy"].to_str().unwrap();
    for part in ["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "frame-ancestors 'none'", "connect-src 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'") && !policy.contains("http"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(headers[name], value);
    }
    assert!(headers["permissions-policy"].to_str().unwrap().contains("camera=()"));
}

#[tokio::test]
async fn the_page_has_strict_headers_right_types_and_caching_by_name() {
    let place = Place::new();
    let server = place.start().await;
    for (path, kind, caching) in [
        ("/", "text/html", "no-cache"),
        ("/index.html", "text/html", "no-cache"),
        ("/app-5XQ7KTLZ.js", "text/javascript", "public, max-age=31536000, immutable"),
        ("/wasm/client.wasm", "application/wasm", "no-cache"),
    ] {
        let response = server.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        assert_strict(headers);
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind), "{path}");
        assert_eq!(headers["cache-control"], caching, "{path}");
    }
    for path in ["/v1/models", "/nothing", "/healthz"] {
        assert_strict(server.get(path).await.headers());
    }
    server.stop().await;
}

#[tokio::test]
async fn compressed_siblings_are_sent_to_those_who_take_them() {
    let place = Place::new();
    let server = place.start().await;
    for (accepted, encoding, body) in [
        ("br, gzip", Some("br"), "brotli bytes"),
        ("gzip", Some("gzip"), "gzip bytes"),
        ("identity", None, "console.log('plain')"),
    ] {
        let request = server.http.get(server.url("/app-5XQ7KTLZ.js")).header("accept-encoding", accepted);
        let response = request.send().await.unwrap();
        let headers = response.headers();
        assert_eq!(headers.get("content-encoding").map(|value| value.to_str().unwrap()), encoding);
        assert!(headers["content-type"].to_str().unwrap().starts_with("text/javascript"));
        assert!(headers["vary"].to_str().unwrap().to_lowercase().contains("accept-encoding"));
        assert_eq!(response.text().await.unwrap(), body);
    }
    server.stop().await;
}

#[tokio::test]
async fn an_unchanged_file_is_not_sent_again() {
    let place = Place::new();
    let server = place.start().await;
    let since = server.get("/index.html").await.headers()["last-modified"].clone();
    let again = server.http.get(server.url("/index.html")).header("if-modified-since", since).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    server.stop().await;
}

#[tokio::test]
async fn wrong_addresses_and_methods_are_problems_too() {
    let place = Place::new();
    let server = place.start().await;
    assert_problem(server.get("/nothing").await, 404, "not-found").await;
    assert_problem(server.get("/nothing.js").await, 404, "not-found").await;
    assert_problem(server.get("/v1/nothing").await, 404, "not-found").await;
    assert_problem(server.get("/v1/sessions").await, 405, "method-not-allowed").await;
    assert_problem(server.get(INFER).await, 405, "method-not-allowed").await;
    assert_problem(server.post("/index.html", Vec::new()).await, 405, "method-not-allowed").await;
    let deleted = server.http.delete(server.url("/v1/models")).send().await.unwrap();
    assert_problem(deleted, 405, "method-not-allowed").await;
    server.stop().await;
}

async fn preflight(server: &Server, origin: &str) -> Response {
    let request = server.http.request(Method::OPTIONS, server.url(INFER)).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    request.header("access-control-request-headers", "authorization, content-type").send().await.unwrap()
}

#[tokio::test]
async fn only_allowed_origins_may_read_and_call() {
    let place = Place::new();
    let mut config = place.config();
    config.cors.allow_origins = vec!["https://hospital.example".to_owned(), "http://localhost:5173".to_owned()];
    let server = Server::start(config).await;
    for origin in ["https://hospital.example", "http://localhost:5173"] {
        let response = preflight(&server, origin).await;
        assert_eq!(response.headers()["access-control-allow-origin"], origin);
        assert_eq!(response.headers()["access-control-max-age"], "600");
        let allowed = |name: &str| response.headers()[name].to_str().unwrap().to_lowercase();
        let headers = allowed("access-control-allow-headers");
        assert!(headers.contains("content-type") && headers.contains("authorization"), "{headers}");
        assert!(allowed("access-control-allow-methods").contains("delete"));
        for path in ["/v1/models", "/app-5XQ7KTLZ.js", "/nothing"] {
            let response = server.http.get(server.url(path)).header("origin", origin).send().await.unwrap();
            let headers = response.headers();
            assert_eq!(headers["access-control-allow-origin"], origin, "{path}");
            assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
            assert!(headers["access-control-expose-headers"].to_str().unwrap().contains("x-veilsight-budget-left"));
            assert!(!headers.contains_key("access-control-allow-credentials"));
        }
    }
    for origin in ["https://evil.example", "https://hospital.example.evil.example", "http://hospital.example", "null"] {
        assert!(!preflight(&server, origin).await.headers().contains_key("access-control-allow-origin"), "{origin}");
    }
    server.stop().await;
}

#[tokio::test]
async fn without_an_allow_list_no_other_origin_may_do_anything() {
    let place = Place::new();
    let server = place.start().await;
    let response = preflight(&server, "https://hospital.example").await;
    assert!(!response.headers().contains_key("access-control-allow-origin"));
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    server.stop().await;
}

#[tokio::test]
async fn a_request_keeps_a_plain_name_and_gets_one_otherwise() {
    let place = Place::new();
    let server = place.start().await;
    let named = async |name: &str| {
        let request = server.http.get(server.url("/healthz")).header("x-request-id", name);
        request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(named("scan-42.a_b").await, "scan-42.a_b");
    for name in ["<script>", "two words", &"x".repeat(65), ""] {
        let given = named(name).await;
        assert_ne!(given, name);
        assert_eq!(given.len(), 16);
    }
    server.stop().await;
}

/// Each operation of the description, with a path that exists.
async fn operations(server: &Server, document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let url = server.url(&path.replace("{id}", MODEL).replace("{number}", "1").replace("{job}", &"0".repeat(32)));
            let request = server.http.request(method.to_uppercase().parse().unwrap(), url);
            let status = request.send().await.unwrap().status().as_u16();
            assert!(!matches!(status, 404 | 405 | 500), "{method} {path} is described and answers {status}");
            found.insert(format!("{method} {path}"));
        }
    }
    found
}

#[tokio::test]
async fn the_description_has_every_route_and_no_other() {
    let place = Place::new();
    place.add_purifier();
    let server = place.start().await;
    let document: Value = server.get("/openapi.json").await.json().await.unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let routes = [
        "delete /v1/purifications/{job}",
        "get /healthz",
        "get /metrics",
        "get /openapi.json",
        "get /readyz",
        "get /v1/consortia",
        "get /v1/consortia/{id}",
        "get /v1/consortia/{id}/audit",
        "get /v1/consortia/{id}/events",
        "get /v1/consortia/{id}/rounds",
        "get /v1/consortia/{id}/rounds/{number}",
        "get /v1/consortia/{id}/rounds/{number}/certificate",
        "get /v1/consortia/{id}/rounds/{number}/delivery",
        "get /v1/consortia/{id}/rounds/{number}/result",
        "get /v1/models",
        "get /v1/models/{id}/card.json",
        "get /v1/models/{id}/detector",
        "get /v1/models/{id}/encoder.safetensors",
        "get /v1/models/{id}/purifier",
        "get /v1/models/{id}/versions",
        "get /v1/purifications/{job}",
        "get /v1/purifications/{job}/events",
        "get /v1/purifications/{job}/result",
        "get /v1/purifiers",
        "post /v1/consortia",
        "post /v1/consortia/{id}/invitations",
        "post /v1/consortia/{id}/rounds",
        "post /v1/consortia/{id}/rounds/{number}/answer",
        "post /v1/consortia/{id}/rounds/{number}/close",
        "post /v1/consortia/{id}/rounds/{number}/confirmation",
        "post /v1/enrolments",
        "post /v1/models/{id}/infer",
        "post /v1/purifications",
        "post /v1/sessions",
        "put /v1/consortia/{id}/rounds/{number}/contribution",
        "put /v1/models/{id}/active",
    ];
    assert_eq!(operations(&server, &document).await, routes.map(str::to_owned).into());
    // A route is made by `routes!`, which takes its path from the description; `.route(` would go round it.
    let source = include_str!("../../src/http/routes.rs");
    assert_eq!(source.matches("routes!(").count(), routes.len());
    assert!(!source.contains(".route(") && !source.contains(".nest("));
    server.stop().await;
}

#[tokio::test]
async fn what_happened_is_counted() {
    let place = Place::new();
    let server = place.start().await;
    let device = Device::join(&server).await;
    let answer = server.post(INFER, device.request(&place, &[1; DIM])).await.bytes().await.unwrap();
    let refusal = server.post(INFER, vec![1]).await.bytes().await.unwrap();
    let sent = format!("response_bytes_total{{route=\"/v1/models/{{id}}/infer\"}} {}", answer.len() + refusal.len());
    let text = server.get("/metrics").await.text().await.unwrap();
    for line in [
        "veilsight_http_requests_total{method=\"POST\",route=\"/v1/models/{id}/infer\",status=\"200\"} 1",
        "veilsight_http_requests_total{method=\"POST\",route=\"/v1/models/{id}/infer\",status=\"400\"} 1",
        "veilsight_problems_total{problem=\"wrong-message\"} 1",
        "veilsight_infer_seconds_count{model=\"tiny\"} 1",
        "veilsight_sessions 1",
        "veilsight_infer_jobs 0",
        &sent,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn with_a_second_address_the_counters_are_only_there() {
    let place = Place::new();
    let mut config = place.config();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    config.admin_listen = Some(free);
    let server = Server::start(config).await;
    // The second address is bound just before the first accepts.
    assert_problem(server.get("/metrics").await, 404, "not-found").await;
    let document: Value = server.get("/openapi.json").await.json().await.unwrap();
    assert!(document["paths"].get("/metrics").is_none());
    let text = reqwest::get(format!("http://{free}/metrics")).await.unwrap().text().await.unwrap();
    assert!(text.contains("veilsight_sessions"));
    server.stop().await;
}
