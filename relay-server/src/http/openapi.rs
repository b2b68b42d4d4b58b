//! The description of the API. Its paths come from the handlers as they are routed, so that neither lacks the other.

use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    modifiers(&Tokens),
    info(
        title = "Veilsight relay",
        description = "Answers sealed tokens with encrypted logits. Messages are those of docs/WIRE.md; \
            errors are problem+json (RFC 9457) with a `type` of `urn:veilsight:…`. Research use only.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "models", description = "Public parts of model packs"),
        (name = "inference", description = "Sessions and encrypted inference"),
        (name = "purification", description = "Noised tiles in, purified tiles out"),
        (name = "federation", description = "Consortia, rounds, published heads"),
        (name = "operation", description = "For operators"),
    )
)]
pub(super) struct Description;

/// The bearer tokens of administrators, sites, viewers and purification jobs.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token: vsa_…, vss_…, vsv_… or vsj_…"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}
