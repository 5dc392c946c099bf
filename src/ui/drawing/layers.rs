//! Positions of nodes and edges in a layered drawing of a graph. Each node is in a layer to the right of its predecessors.
//!
//! The length of the longest path determines the layer. Inside a layer, nodes are sorted by the mean position of their neighbours, in
//! several passes in both directions. Heights are as near as possible to those of the neighbours. The result is deterministic.

use std::collections::HashMap;

/// Room between two boxes of a layer.
const BETWEEN: f64 = 18.0;

/// Room for an edge that passes a layer.
const PASSING: f64 = 8.0;

/// Number of passes that sort layers, and of those that balance heights.
const SWEEPS: usize = 12;

/// Maximum number of intermediate points of long edges. Further edges are straight.
const MOST_PASSING: usize = 50_000;

/// A box to be placed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The drawing.
#[derive(Clone, Debug, Default)]
pub(super) struct Layout {
    /// The upper left corner of each box.
    pub(super) boxes: Vec<(f64, f64)>,
    /// The points of each edge, from the right of one box to the left of another.
    pub(super) routes: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// An element of a layer: a box, or an edge that passes through.
#[derive(Clone, Debug, Default)]
struct Spot {
    layer: usize,
    height: f64,
    /// Indices of its neighbours in the layers before and after.
    before: Vec<usize>,
    after: Vec<usize>,
    /// Its vertical centre.
    middle: f64,
}

/// Places boxes of these sizes, connected by edges; `gap` is the space between two layers.
pub(super) fn layout(sizes: &[Size], edges: &[(usize, usize)], gap: f64) -> Layout {
    let forward = without_rings(sizes.len(), edges);
    let layers = longest_paths(sizes.len(), &forward);
    let mut spots: Vec<Spot> = sizes
        .iter()
        .zip(&layers)
        .map(|(size, layer)| Spot { layer: *layer, height: size.height, ..Spot::default() })
        .collect();
    let ways = joined(&mut spots, &forward);
    let mut order = ordered(&spots);
    for sweep in 0..SWEEPS {
        sort_layers(&spots, &mut order, sweep % 2 == 0);
    }
    set_heights(&mut spots, &order);
    placed(sizes, edges, &forward, &Laid { spots, ways, layers }, gap)
}

/// The edges, with those reversed that would close a cycle.
fn without_rings(nodes: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); nodes];
    for (from, to) in edges {
        if let Some(list) = next.get_mut(*from) {
            list.push(*to);
        }
    }
    // The number of each node in the order of a depth-first search's exits: an edge to a node with a later exit goes back.
    let mut left: Vec<Option<usize>> = vec![None; nodes];
    let mut seen = vec![false; nodes];
    let mut count = 0;
    for root in 0..nodes {
        let mut open = vec![(root, false)];
        while let Some((node, done)) = open.pop() {
            if done {
                if let Some(slot) = left.get_mut(node) {
                    *slot = Some(count);
                    count += 1;
                }
                continue;
            }
            match seen.get_mut(node) {
                Some(seen) if !*seen => *seen = true,
                _ => continue,
            }
            open.push((node, true));
            let after = next.get(node).map_or(&[][..], Vec::as_slice);
            open.extend(after.iter().rev().map(|node| (*node, false)));
        }
    }
    let number = |node: &usize| left.get(*node).copied().flatten().unwrap_or(0);
    edges
        .iter()
        .map(|(from, to)| if number(from) < number(to) { (*to, *from) } else { (*from, *to) })
        .collect()
}

/// The layer of each node: one more than the highest of its predecessors. A node without predecessors is as near to its successors
/// as possible.
fn longest_paths(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut layers = vec![0_usize; nodes];
    let mut waits = vec![0_usize; nodes];
    let mut next: HashMap<usize, Vec<usize>> = HashMap::new();
    for (from, to) in edges.iter().filter(|(from, to)| from != to) {
        next.entry(*from).or_default().push(*to);
        if let Some(waits) = waits.get_mut(*to) {
            *waits += 1;
        }
    }
    let is_first: Vec<bool> = waits.iter().map(|waits| *waits == 0).collect();
    let mut ready: Vec<usize> = (0..nodes).filter(|node| waits.get(*node) == Some(&0)).collect();
    while let Some(node) = ready.pop() {
        let layer = layers.get(node).copied().unwrap_or(0);
        for to in next.get(&node).map_or(&[][..], Vec::as_slice) {
            if let Some(slot) = layers.get_mut(*to) {
                *slot = (*slot).max(layer + 1);
            }
            if let Some(waits) = waits.get_mut(*to) {
                *waits -= 1;
                if *waits == 0 {
                    ready.push(*to);
                }
            }
        }
    }
    for node in (0..nodes).filter(|node| is_first.get(*node) == Some(&true)) {
        let nearest = next.get(&node).into_iter().flatten().filter_map(|to| layers.get(*to)).min();
        let layer = nearest.map(|layer| layer.saturating_sub(1));
        if let (Some(slot), Some(layer)) = (layers.get_mut(node), layer) {
            *slot = layer;
        }
    }
    layers
}

/// Connects the spots of each edge, with an intermediate spot in each layer that it passes. Returns the spots along each edge.
fn joined(spots: &mut Vec<Spot>, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let layer = |spots: &[Spot], place: usize| spots.get(place).map_or(0, |spot| spot.layer);
    let mut passing = 0;
    let mut ways = Vec::with_capacity(edges.len());
    for (from, to) in edges {
        let (first, last) = (layer(spots, *from), layer(spots, *to));
        let between = last.saturating_sub(first).saturating_sub(1);
        let mut way = Vec::new();
        passing += between;
        if passing <= MOST_PASSING {
            for layer in first + 1..last {
                way.push(spots.len());
                spots.push(Spot { layer, height: PASSING, ..Spot::default() });
            }
        }
        let stops: Vec<usize> = [*from].into_iter().chain(way.iter().copied()).chain([*to]).collect();
        for (one, other) in stops.iter().zip(stops.iter().skip(1)).filter(|_| from != to) {
            if let Some(spot) = spots.get_mut(*one) {
                spot.after.push(*other);
            }
            if let Some(spot) = spots.get_mut(*other) {
                spot.before.push(*one);
            }
        }
        ways.push(way);
    }
    ways
}

/// The spots of each layer, in the order of creation.
fn ordered(spots: &[Spot]) -> Vec<Vec<usize>> {
    let count = spots.iter().map(|spot| spot.layer + 1).max().unwrap_or(0);
    let mut order = vec![Vec::new(); count];
    for (place, spot) in spots.iter().enumerate() {
        if let Some(layer) = order.get_mut(spot.layer) {
            layer.push(place);
        }
    }
    order
}

/// Sorts each layer by the mean position of the neighbours on one side.
fn sort_layers(spots: &[Spot], order: &mut [Vec<usize>], rightwards: bool) {
    let mut place = vec![0.0; spots.len()];
    let note = |layer: &[usize], place: &mut [f64]| {
        let mut at = 0.0;
        for spot in layer {
            if let Some(slot) = place.get_mut(*spot) {
                *slot = at;
            }
            at += 1.0;
        }
    };
    for layer in order.iter() {
        note(layer, &mut place);
    }
    let mut sort = |layer: &mut Vec<usize>| {
        let key = |spot: &usize| {
            let own = place.get(*spot).copied().unwrap_or(0.0);
            let joined = spots.get(*spot).map(|spot| if rightwards { &spot.before } else { &spot.after });
            mean(joined.into_iter().flatten().filter_map(|other| place.get(*other).copied())).unwrap_or(own)
        };
        let mut keyed: Vec<(f64, usize)> = layer.iter().map(|spot| (key(spot), *spot)).collect();
        keyed.sort_by(|one, other| one.0.total_cmp(&other.0));
        *layer = keyed.into_iter().map(|(_, spot)| spot).collect();
        note(layer, &mut place);
    };
    if rightwards {
        order.iter_mut().for_each(&mut sort);
    } else {
        order.iter_mut().rev().for_each(&mut sort);
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Sets the height of each spot as near to its neighbours' as possible, without overlaps.
fn set_heights(spots: &mut [Spot], order: &[Vec<usize>]) {
    for sweep in 0..=SWEEPS {
        let layers: Vec<&Vec<usize>> =
            if sweep % 2 == 0 { order.iter().collect() } else { order.iter().rev().collect() };
        for layer in layers {
            let wanted: Vec<(f64, f64)> = layer
                .iter()
                .filter_map(|place| {
                    let spot = spots.get(*place)?;
                    let joined = spot.before.iter().chain(&spot.after);
                    let others = joined.filter_map(|other| spots.get(*other)).map(|spot| spot.middle);
                    let wanted = if sweep == 0 { None } else { mean(others) };
                    Some((wanted.unwrap_or(spot.middle), spot.height))
                })
                .collect();
            for (place, middle) in layer.iter().zip(apart(&wanted)) {
                if let Some(spot) = spots.get_mut(*place) {
                    spot.middle = middle;
                }
            }
        }
    }
}

/// Centres as near as possible to the wanted ones, in the same order, without overlaps: overlapping spots become one block at the
/// mean of the positions that its members want.
fn apart(wanted: &[(f64, f64)]) -> Vec<f64> {
    // Distance of each from the first one if all are adjacent.
    let mut offsets = Vec::with_capacity(wanted.len());
    let mut offset = 0.0;
    let mut last: Option<f64> = None;
    for (_, height) in wanted {
        if let Some(last) = last {
            offset += f64::midpoint(last, *height) + BETWEEN.min(last.max(*height));
        }
        offsets.push(offset);
        last = Some(*height);
    }
    let mut blocks: Vec<(f64, f64)> = Vec::new();
    for ((middle, _), offset) in wanted.iter().zip(&offsets) {
        let mut block = (middle - offset, 1.0);
        while let Some((value, count)) = blocks.last().copied().filter(|(value, _)| *value > block.0) {
            let sum = block.1 + count;
            block = ((block.0 * block.1 + value * count) / sum, sum);
            blocks.pop();
        }
        blocks.push(block);
    }
    let mut starts = Vec::with_capacity(wanted.len());
    for (value, count) in blocks {
        let mut left = count;
        while left > 0.5 {
            starts.push(value);
            left -= 1.0;
        }
    }
    starts.iter().zip(offsets).map(|(start, offset)| start + offset).collect()
}

/// A graph without positions.
struct Laid {
    spots: Vec<Spot>,
    ways: Vec<Vec<usize>>,
    layers: Vec<usize>,
}

fn placed(
    sizes: &[Size],
    edges: &[(usize, usize)],
    forward: &[(usize, usize)],
    laid: &Laid,
    gap: f64,
) -> Layout {
    let count = laid.layers.iter().map(|layer| layer + 1).max().unwrap_or(0);
    let mut widths = vec![0.0_f64; count];
    for (size, layer) in sizes.iter().zip(&laid.layers) {
        if let Some(width) = widths.get_mut(*layer) {
            *width = width.max(size.width);
        }
    }
    let mut lefts = Vec::with_capacity(count);
    let mut left = 0.0;
    for width in &widths {
        lefts.push(left);
        left += width + gap;
    }
    let top = laid.spots.iter().map(|spot| spot.middle - spot.height / 2.0).fold(f64::INFINITY, f64::min);
    let bottom = laid.spots.iter().map(|spot| spot.middle + spot.height / 2.0).fold(0.0, f64::max);
    let top = if top.is_finite() { top } else { 0.0 };
    let left_of = |layer: usize| lefts.get(layer).copied().unwrap_or(0.0);
    let width_of = |layer: usize| widths.get(layer).copied().unwrap_or(0.0);
    let spot = |place: usize| laid.spots.get(place).map_or((0, 0.0), |spot| (spot.layer, spot.middle - top));
    let boxes = sizes.iter().enumerate().map(|(place, size)| {
        let (layer, middle) = spot(place);
        (left_of(layer), middle - size.height / 2.0)
    });
    let width_of_box = |place: usize| sizes.get(place).map_or(0.0, |size| size.width);
    let routes = edges.iter().zip(forward).zip(&laid.ways).map(|((edge, forward), way)| {
        let ((first, begin), (last, end)) = (spot(forward.0), spot(forward.1));
        let mut points = vec![(left_of(first) + width_of_box(forward.0), begin)];
        for place in way {
            let (layer, middle) = spot(*place);
            points.extend([(left_of(layer), middle), (left_of(layer) + width_of(layer), middle)]);
        }
        points.push((left_of(last), end));
        if edge != forward {
            points.reverse();
        }
        points
    });
    Layout {
        boxes: boxes.collect(),
        routes: routes.collect(),
        width: (left - gap).max(0.0),
        height: (bottom - top).max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laid(nodes: usize, edges: &[(usize, usize)]) -> Layout {
        layout(&vec![Size { width: 100.0, height: 40.0 }; nodes], edges, 50.0)
    }

    fn meet(layout: &Layout) -> bool {
        let boxes = &layout.boxes;
        let near = |one: f64, other: f64, room: f64| (one - other).abs() < room;
        (0..boxes.len()).any(|one| {
            (0..one).any(|other| {
                near(boxes[one].0, boxes[other].0, 100.0) && near(boxes[one].1, boxes[other].1, 40.0)
            })
        })
    }

    #[test]
    fn edges_lead_to_the_right_and_boxes_do_not_meet() {
        let edges = [(0, 1), (1, 2), (0, 2), (3, 2), (0, 4), (4, 5), (2, 5), (1, 5)];
        let layout = laid(6, &edges);
        for ((from, to), route) in edges.iter().zip(&layout.routes) {
            assert!(layout.boxes[*from].0 + 100.0 < layout.boxes[*to].0);
            assert!((route.first().unwrap().0 - layout.boxes[*from].0 - 100.0).abs() < 1e-6);
            assert!((route.last().unwrap().0 - layout.boxes[*to].0).abs() < 1e-6);
        }
        assert!(!meet(&layout));
        assert!(layout.boxes.iter().all(|(x, y)| *x >= 0.0 && *y >= 0.0 && *x + 100.0 <= layout.width));
        assert_eq!(format!("{layout:?}"), format!("{:?}", laid(6, &edges)));
    }

    #[test]
    fn rings_loops_and_nothing_are_drawn() {
        assert!(!meet(&laid(3, &[(0, 1), (1, 2), (2, 0), (1, 1)])));
        assert!(laid(0, &[]).width.abs() < 1e-6);
        assert!(!meet(&laid(5, &[])));
        assert_eq!(laid(2, &[(0, 9)]).boxes.len(), 2);
    }

    #[test]
    fn large_graphs_are_laid_out() {
        let chain: Vec<(usize, usize)> = (0..3000).map(|node| (node, node + 1)).collect();
        assert_eq!(laid(3001, &chain).boxes.len(), 3001);
        let star: Vec<(usize, usize)> = (1..2000).map(|node| (0, node)).collect();
        assert!(!meet(&laid(2000, &star)));
        let long: Vec<(usize, usize)> = (0..500).flat_map(|node| [(node, node + 1), (0, node + 1)]).collect();
        assert_eq!(laid(501, &long).routes.len(), 1000);
    }
}
