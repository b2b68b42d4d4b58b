//! Prints the median time of each operation: `cargo run --release -p he --example timing`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use he::{EncryptedHead, EncryptedLogits, GLWE_2048_TU17, HeError, SealedToken, SecretKey};

fn median<T>(mut operation: impl FnMut() -> Result<T, HeError>) -> Result<Duration, HeError> {
    let mut times = [Duration::ZERO; 301];
    for time in &mut times {
        let start = Instant::now();
        black_box(operation()?);
        *time = start.elapsed();
    }
    times.sort();
    Ok(times[times.len() / 2])
}

fn report(name: &str, time: Duration) {
    println!("{name:<28} {:>9.1} µs", time.as_secs_f64() * 1e6);
}

fn values(count: usize, seed: i64) -> Vec<i16> {
    (0..count as i64).map(|i| ((i * 7919 + seed) % 301 - 150) as i16).collect()
}

fn head(classes: usize, dim: usize) -> Result<EncryptedHead, HeError> {
    EncryptedHead::derive(&GLWE_2048_TU17, classes, dim, &values(classes * dim, 5), &vec![1; classes])
}

fn main() -> Result<(), HeError> {
    let parameters = &GLWE_2048_TU17;
    let key = SecretKey::make(parameters)?;
    key.make_sealed_token(&[1])?; // prepares the transforms
    report("make key", median(|| SecretKey::make(parameters))?);
    report("make public key", median(|| key.make_public_key())?);
    let public = key.make_public_key()?;
    println!("{:<28} {:>9} bytes", "public key", public.to_bytes().len());
    report("prepare public key", median(|| Ok(public.prepare()))?);
    for (classes, dim) in [(2, 192), (2, 768), (10, 192)] {
        time_inference(&key, classes, dim)?;
    }
    Ok(())
}

fn time_inference(key: &SecretKey, classes: usize, dim: usize) -> Result<(), HeError> {
    println!("-- {classes} classes, {dim} values");
    let parameters = key.parameters();
    let prepared = key.make_public_key()?.prepare();
    let head = head(classes, dim)?;
    let values = values(dim, 1);
    report("seal and pack", median(|| Ok(key.make_sealed_token(&values)?.to_bytes()))?);
    let token_bytes = key.make_sealed_token(&values)?.to_bytes();
    println!("{:<28} {:>9} bytes", "token", token_bytes.len());
    report("unpack token", median(|| SealedToken::from_bytes(parameters, dim, &token_bytes))?);
    let token = SealedToken::from_bytes(parameters, dim, &token_bytes)?;
    report("head", median(|| head.make_logits(&token, &prepared))?);
    let answer = head.make_logits(&token, &prepared)?;
    report("pack answer", median(|| Ok(answer.to_bytes()))?);
    let answer_bytes = answer.to_bytes();
    println!("{:<28} {:>9} bytes", "answer", answer_bytes.len());
    let open = || key.open(&EncryptedLogits::from_bytes(parameters, classes, &answer_bytes)?);
    report("unpack and open", median(open)?);
    Ok(())
}
