//! The description of the API. Its paths come from the handlers as they are routed, so that neither lacks the other.

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Veilsight relay",
        description = "Answers sealed tokens with encrypted logits. Messages are those of docs/WIRE.md; \
            errors are problem+json (RFC 9457) with a `type` of `urn:veilsight:…`. Research use only.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "models", description = "Public parts of model packs"),
        (name = "inference", description = "Sessions and encrypted inference"),
        (name = "operation", description = "For operators"),
    )
)]
pub(super) struct Description;
