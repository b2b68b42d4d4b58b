//! A learned head in a pack's form, and whether it answers on ciphertexts as it does in the clear.

use anyhow::{Context, Result};
use federation::heads::Head;
use he::{EncryptedLogits, GLWE_2048_TU17, SecretKey};
use models::{ModelCard, QuantisedHead};
use rayon::prelude::*;
use reqwest::Client;
use serde_json::Value;
use wire::{InferAnswer, InferRequest, MEDIA_TYPE, SessionKey};

use crate::evaluate::Channel;

/// The head in a pack's integers, and the calibrated logit of one step, as the relay publishes them.
///
/// # Errors
/// Where the head cannot be rounded.
pub fn in_pack(head: &Head, card: &ModelCard) -> Result<(QuantisedHead, f64)> {
    let integers = head.to_integers()?;
    let weight_scale = (integers.step / f64::from(card.cls.quantiser.scale)) as f32;
    let quantised = QuantisedHead::new(head.dim, integers.weights, integers.bias, weight_scale)?;
    Ok((quantised, integers.step))
}

/// How many tokens' logits, by way of ciphertexts, are exactly the head's integers; and of how many.
///
/// # Errors
/// Where the encryption refuses head or token.
pub fn encrypted_equal(card: &ModelCard, head: &QuantisedHead, rows: &[Vec<i16>]) -> Result<[usize; 2]> {
    let channel = Channel::open(&card.he_parameters, head)?;
    let same = |row: &Vec<i16>| channel.logits(row).map(|logits| logits == head.logits(row));
    let same = rows.par_iter().map(same).collect::<Result<Vec<bool>>>()?;
    Ok([same.iter().filter(|same| **same).count(), rows.len()])
}

/// The same, asked of a running relay over HTTP.
///
/// # Errors
/// Where the relay refuses.
pub async fn served_equal(base: &str, card: &ModelCard, head: &QuantisedHead, rows: &[Vec<i16>]) -> Result<[usize; 2]> {
    let http = Client::new();
    let key = SecretKey::make(&GLWE_2048_TU17)?;
    let body = SessionKey::new(GLWE_2048_TU17.id(), key.make_public_key()?.to_bytes())?.encode();
    let answer: Value = serde_json::from_slice(&post(&http, &format!("{base}/v1/sessions"), body).await?)?;
    let mut session = [0; 16];
    hex::decode_to_slice(answer["session"].as_str().context("the relay opened no session")?, &mut session)?;
    let address = format!("{base}/v1/models/{}/infer", card.id);
    let mut same = 0;
    for row in rows {
        let sealed = key.make_sealed_token(row)?.to_bytes();
        let request = InferRequest::new(GLWE_2048_TU17.id(), session, card.encoder_tag(), row.len() as u16, sealed)?;
        let answer = InferAnswer::decode(&post(&http, &address, request.encode()).await?)?;
        let logits = EncryptedLogits::from_bytes(&GLWE_2048_TU17, card.classes.len(), answer.logits())?;
        same += usize::from(key.open(&logits)? == head.logits(row));
    }
    Ok([same, rows.len()])
}

async fn post(http: &Client, url: &str, body: Vec<u8>) -> Result<Vec<u8>> {
    let answer = http.post(url).header("content-type", MEDIA_TYPE).body(body).send().await?.error_for_status()?;
    Ok(answer.bytes().await?.to_vec())
}
