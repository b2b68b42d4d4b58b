#[cfg(not(target_arch = "wasm32"))]
use std::collections::HashMap;
use std::sync::LazyLock;

use models::Schedule;
use models::purifier::Remote;
#[cfg(not(target_arch = "wasm32"))]
use proptest::prelude::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use wire::tile::to_fixed;

use super::*;

const IMAGE: usize = 128;

fn plan(relays: usize) -> Plan {
    let remote = Remote { tile: 24, stride: 22, relays, min_t: 100 };
    Plan { purifier: [7; 8], schedule: Schedule::Linear, t: 150, steps: 1, remote, decoys: 0 }
}

fn image() -> &'static [f32] {
    static PIXELS: LazyLock<Vec<f32>> =
        LazyLock::new(|| brain_phantom(3, true, IMAGE).pixels.iter().map(|value| f32::from(*value) / 255.0).collect());
    &PIXELS
}

fn mission(relays: usize, listed: usize, seed: u8) -> Mission {
    Mission::new(plan(relays), image(), 1, listed, Consent::SharedOnly, [seed; 32]).unwrap()
}

/// What a perfect purifier answers: it knows the image.
fn answer(mission: &Mission, pixels: &[f32], request: &PurifyRequest) -> PurifyResult {
    let clean = |tile: &Tile| {
        let place = place_of(mission, &tile.id);
        let cut = mission.pieces[place].turn.apply(24, &mission.grid.cut(pixels, place));
        Tile { id: tile.id, values: cut.iter().map(|pixel| to_fixed(2.0 * pixel - 1.0)).collect() }
    };
    PurifyResult::new(request.shape(), request.tiles().iter().rev().map(clean).collect()).unwrap()
}

fn place_of(mission: &Mission, id: &[u8; 8]) -> usize {
    mission.pieces.iter().position(|piece| piece.tile.id == *id).unwrap()
}

fn finish_honestly(mission: &mut Mission) {
    for _round in 0..100 {
        let orders = mission.orders().unwrap();
        if orders.is_empty() {
            return;
        }
        for order in orders {
            let result = answer(mission, image(), &order.request);
            mission.took(order.number, &result).unwrap();
        }
    }
    panic!("orders without end");
}

fn assert_is_the_image(mission: &Mission) {
    let purified = mission.finish().unwrap();
    for (one, other) in purified.iter().zip(image()) {
        assert!((one - other).abs() < 1e-3, "{one} {other}");
    }
}

fn of_relay(orders: &[Order], relay: usize) -> &Order {
    orders.iter().find(|order| order.holder == Holder::Relay(relay)).unwrap()
}

#[test]
fn three_relays_purify_an_image_and_none_sees_more_than_40_per_cent() {
    for seed in 0..50 {
        let mut mission = mission(3, 3, seed);
        finish_honestly(&mut mission);
        assert_is_the_image(&mission);
        let report = mission.report();
        assert_eq!(report.local_tiles, 0);
        assert_eq!(report.relays.iter().map(|relay| relay.tiles).sum::<usize>(), 36);
        assert!(report.relays.iter().all(|relay| relay.share <= 0.4 && relay.state == RelayState::Used), "{report:?}");
    }
}

#[test]
fn relays_of_a_longer_list_are_taken_at_random() {
    let mut used = [0; 5];
    for seed in 0..60 {
        for (count, relay) in used.iter_mut().zip(mission(2, 5, seed).report().relays) {
            *count += usize::from(relay.state == RelayState::Used);
        }
    }
    assert_eq!(used.iter().sum::<usize>(), 120);
    assert!(used.iter().all(|count| (10..=40).contains(count)), "{used:?}");
}

#[test]
fn one_relay_is_taken_with_consent_only() {
    for (relays, consent) in [(0, Consent::OneRelayHoldsAll), (1, Consent::SharedOnly)] {
        assert!(Mission::new(plan(3), image(), 1, relays, consent, [0; 32]).is_err());
    }
    let mut mission = Mission::new(plan(3), image(), 1, 1, Consent::OneRelayHoldsAll, [0; 32]).unwrap();
    finish_honestly(&mut mission);
    assert_is_the_image(&mission);
    assert_eq!(mission.report().relays[0].share, 1.0);
}

#[test]
fn tiles_that_show_too_much_or_have_too_little_noise_never_leave() {
    let coarse = Plan { remote: Remote { tile: 64, stride: 64, ..plan(3).remote }, ..plan(3) };
    let quiet = Plan { t: 99, ..plan(3) };
    let refusal = |plan| Mission::new(plan, image(), 1, 3, Consent::SharedOnly, [0; 32]).err();
    assert!(matches!(refusal(coarse), Some(PurifyError::SeesTooMuch { .. })));
    assert_eq!(refusal(quiet), Some(PurifyError::TooLittleNoise { t: 99, least: 100 }));
}

#[test]
fn what_relays_may_see_is_known_before_anything_is_sent() {
    let remote = plan(3).remote;
    assert_eq!(Bound::of(&remote, IMAGE, 5), Ok(Bound { relays: 3, share: 0.4, tiles: 36 }));
    assert_eq!(Bound::of(&remote, IMAGE, 1), Ok(Bound { relays: 1, share: 1.0, tiles: 36 }));
    assert_eq!(Bound::of(&remote, IMAGE, 0), Err(PurifyError::NoRelay));
    assert!(Bound::of(&Remote { stride: 20, ..remote }, IMAGE, 3).is_err());
}

#[test]
fn a_lost_relays_tiles_go_to_the_spare_with_the_same_noise() {
    let mut mission = mission(3, 4, 1);
    let orders = mission.orders().unwrap();
    let Holder::Relay(dead) = orders[0].holder else { panic!("the device was asked first") };
    mission.lost(dead, "no answer");
    assert_eq!(
        mission.took(orders[0].number, &answer(&mission, image(), &orders[0].request)).unwrap_err().to_string(),
        PurifyError::UnknownOrder { order: orders[0].number }.to_string()
    );
    let again = mission.orders().unwrap();
    assert_eq!(again.len(), 1);
    let sorted = |order: &Order| {
        let mut tiles = order.request.tiles().to_vec();
        tiles.sort_by_key(|tile| tile.id);
        tiles
    };
    assert_eq!(sorted(&again[0]), sorted(&orders[0]));
    assert_eq!(mission.report().relays[dead].error.as_deref(), Some("no answer"));
}

#[test]
fn without_a_spare_the_device_does_it() {
    let mut mission = mission(3, 3, 2);
    let orders = mission.orders().unwrap();
    mission.lost(0, "no answer");
    for relay in [1, 2] {
        let order = of_relay(&orders, relay);
        mission.took(order.number, &answer(&mission, image(), &order.request)).unwrap();
    }
    assert_eq!(mission.finish(), Err(PurifyError::Unfinished { missing: of_relay(&orders, 0).request.tiles().len() }));
    finish_honestly(&mut mission);
    assert_is_the_image(&mission);
    assert_eq!(mission.report().local_tiles, of_relay(&orders, 0).request.tiles().len());
}

#[test]
fn a_result_that_is_not_what_was_asked_for_is_refused_and_its_tiles_go_elsewhere() {
    type Forgery = fn(&mut Vec<Tile>, &[Tile]);
    let forgeries: [(&str, Forgery); 9] = [
        ("swapped ids", |tiles, _| {
            let ids: Vec<_> = tiles.iter().map(|tile| tile.id).collect();
            tiles.iter_mut().zip(ids.iter().cycle().skip(1)).for_each(|(tile, id)| tile.id = *id);
        }),
        ("a foreign id", |tiles, _| tiles[0].id = [1; 8]),
        ("a tile missing", |tiles, _| drop(tiles.pop())),
        ("a tile twice", |tiles, _| tiles[1] = tiles[0].clone()),
        ("saturated", |tiles, _| tiles[3].values[5] = i16::MAX),
        ("just out of range", |tiles, _| tiles[3].values[5] = -2049),
        ("nothing but grey", |tiles, _| tiles.iter_mut().for_each(|tile| tile.values.fill(0))),
        ("an echo", |tiles, sent| {
            for tile in tiles {
                let echo = sent.iter().find(|sent| sent.id == tile.id).unwrap();
                tile.values = echo.values.iter().map(|value| (*value).clamp(-2048, 2048)).collect();
            }
        }),
        ("brighter", |tiles, _| {
            tiles.iter_mut().flat_map(|tile| &mut tile.values).for_each(|value| *value = (*value + 800).min(2048))
        }),
    ];
    for (name, forge) in forgeries {
        let mut mission = mission(3, 4, 5);
        let order = mission.orders().unwrap().remove(0);
        let Holder::Relay(forger) = order.holder else { panic!("the device was asked first") };
        let mut tiles = answer(&mission, image(), &order.request).into_tiles();
        forge(&mut tiles, order.request.tiles());
        let forged = PurifyResult::new(order.request.shape(), tiles).unwrap();
        assert!(matches!(mission.took(order.number, &forged), Err(PurifyError::BadResult { .. })), "{name}");
        assert_eq!(mission.report().relays[forger].state, RelayState::Failed, "{name}");
        let again = mission.orders().unwrap();
        assert_eq!(again.iter().map(|order| order.request.tiles().len()).sum::<usize>(), order.request.tiles().len(), "{name}");
        assert!(again.iter().all(|order| order.holder != Holder::Relay(forger)), "{name}");
    }
}

#[test]
fn ids_and_order_tell_nothing_from_one_image_to_the_next() {
    let (mut one, mut other) = (mission(3, 3, 1), mission(3, 3, 2));
    let (first, second) = (one.orders().unwrap(), other.orders().unwrap());
    let ids =
        |orders: &[Order]| orders.iter().flat_map(|order| order.request.tiles()).map(|tile| tile.id).collect::<BTreeSet<_>>();
    assert_eq!(ids(&first).len(), 36);
    assert!(ids(&first).is_disjoint(&ids(&second)));
    let places = |mission: &Mission, order: &Order| -> Vec<usize> {
        order.request.tiles().iter().map(|tile| place_of(mission, &tile.id)).collect()
    };
    assert!(first.iter().any(|order| !places(&one, order).is_sorted()));
    assert_ne!(places(&one, &first[0]), places(&other, &second[0]));
}

#[test]
fn decoys_travel_among_the_tiles_and_leave_no_trace_in_the_image() {
    let with_decoys = Plan { decoys: 5, ..plan(3) };
    let mut mission = Mission::new(with_decoys, image(), 1, 3, Consent::SharedOnly, [9; 32]).unwrap();
    let orders = mission.orders().unwrap();
    assert_eq!(orders.iter().map(|order| order.request.tiles().len()).sum::<usize>(), 36 + 15);
    for order in &orders {
        let open = &mission.open[&order.number];
        let real: BTreeSet<_> = open.places.iter().map(|place| mission.pieces[*place].tile.id).collect();
        let (own, decoys): (Vec<Tile>, Vec<Tile>) =
            order.request.tiles().iter().cloned().partition(|tile| real.contains(&tile.id));
        assert_eq!(decoys.len(), 5);
        let own = PurifyRequest::new([0; 8], 150, 1, order.request.shape(), own).unwrap();
        let mut tiles = answer(&mission, image(), &own).into_tiles();
        tiles.extend(decoys.iter().map(estimate));
        mission.took(order.number, &PurifyResult::new(order.request.shape(), tiles).unwrap()).unwrap();
    }
    assert_is_the_image(&mission);
}

/// A clean tile that goes with a noised one: its noise is what is left of it when mean and scale are taken out.
fn estimate(noised: &Tile) -> Tile {
    let [image, rest] = Schedule::Linear.shares(150);
    let values: Vec<f32> = noised.values.iter().map(|value| from_fixed(*value)).collect();
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt();
    let clean = values.iter().map(|value| (value - rest * (value - mean) / deviation) / image);
    Tile { id: noised.id, values: clean.map(|value| to_fixed(value.clamp(-1.0, 1.0))).collect() }
}

#[test]
fn many_tiles_are_split_over_messages() {
    let remote = Remote { tile: 8, stride: 7, relays: 1, min_t: 1 };
    let plan = Plan { remote, ..plan(1) };
    let mut mission = Mission::new(plan, image(), 1, 1, Consent::OneRelayHoldsAll, [0; 32]).unwrap();
    let orders = mission.orders().unwrap();
    assert!(orders.len() == 2 && orders.iter().all(|order| order.request.tiles().len() <= 256));
    assert_eq!(orders.iter().map(|order| order.request.tiles().len()).sum::<usize>(), mission.total());
}

#[cfg(not(target_arch = "wasm32"))]
fn are_neighbours(one: usize, other: usize, corners_count: bool) -> bool {
    let (down, right) = ((one / 6).abs_diff(other / 6), (one % 6).abs_diff(other % 6));
    down + right == 1 || (corners_count && down == 1 && right == 1)
}

/// What happens to an order, or to a relay, in a random history.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Debug, Clone, Copy)]
enum Event {
    Answer(usize),
    Forge(usize),
    Lose(usize),
}

#[cfg(not(target_arch = "wasm32"))]
fn events() -> impl Strategy<Value = Vec<Event>> {
    let index = any::<usize>;
    prop::collection::vec(
        prop_oneof![index().prop_map(Event::Answer), index().prop_map(Event::Forge), index().prop_map(Event::Lose)],
        0..12,
    )
}

#[cfg(not(target_arch = "wasm32"))]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_lost_no_relay_gets_neighbours_or_more_than_its_share_and_no_tile_is_lost(
        relays in 2usize..=6, spares in 0usize..4, seed: u8, events in events(),
    ) {
        let listed = relays + spares;
        let (mut mission, pixels) = (mission(relays, listed, seed), image());
        let mut received = vec![BTreeSet::new(); listed];
        let mut noised = HashMap::<[u8; 8], Vec<i16>>::new();
        let mut waiting: Vec<Order> = Vec::new();
        let honest_end = std::iter::repeat(Event::Answer(0));
        for event in events.into_iter().chain(honest_end) {
            for order in mission.orders().unwrap() {
                for tile in order.request.tiles() {
                    prop_assert_eq!(noised.entry(tile.id).or_insert(tile.values.clone()), &tile.values);
                    if let Holder::Relay(relay) = order.holder {
                        received[relay].insert(place_of(&mission, &tile.id));
                    }
                }
                waiting.push(order);
            }
            if waiting.is_empty() {
                break;
            }
            match event {
                Event::Answer(index) => {
                    let order = waiting.remove(index % waiting.len());
                    let outcome = mission.took(order.number, &answer(&mission, pixels, &order.request));
                    let was_dropped = outcome == Err(PurifyError::UnknownOrder { order: order.number });
                    prop_assert!(outcome.is_ok() || was_dropped, "{:?}", outcome);
                }
                Event::Forge(index) => {
                    let order = waiting.remove(index % waiting.len());
                    let saturated = order.request.tiles().iter().map(|tile| Tile { values: vec![i16::MAX; tile.values.len()], ..*tile });
                    let forged = PurifyResult::new(order.request.shape(), saturated.collect()).unwrap();
                    if order.holder == Holder::Device {
                        waiting.push(order);
                    } else {
                        prop_assert!(mission.took(order.number, &forged).is_err());
                    }
                }
                Event::Lose(index) => mission.lost(index % listed, "lost"),
            }
        }
        prop_assert_eq!(mission.done(), 36);
        assert_is_the_image(&mission);
        for (places, report) in received.iter().zip(mission.report().relays) {
            for one in places {
                prop_assert!(places.iter().all(|other| !are_neighbours(*one, *other, relays > 3)));
            }
            let share = mission.grid.share(places.iter().copied());
            let most = if relays == 2 { 0.6 } else { 0.4 };
            prop_assert!(share <= most);
            prop_assert!(report.share >= share);
        }
    }
}
