//! Federation: the headless site, and the simulation of a whole consortium.

pub mod compare;
pub mod deal;
pub mod fedavg;
pub mod labelled;
pub mod link;
pub mod noisy;
pub mod processes;
pub mod record;
pub mod relay;
pub mod report;
pub mod scenario;
pub mod served;
pub mod simulate;
pub mod site;
pub mod tokens;
pub mod traffic;
