//! The forward pass: the activities of all regions, one after the other.

use crate::block::{Insides, Lent};
use crate::graph::Graph;
use crate::params::Params;
use crate::signals::Activity;
use reclra_compute::dense::{Afferent, Forward};
use reclra_compute::rng::Key;
use reclra_compute::{Device, Tensor};

/// h_l = W_l z_{l-1} + b_l (+ shortcuts), z_l = phi_l(h_l), region by region (Alg. 1, line 4).
pub(crate) fn forward(
    device: &Device,
    graph: &Graph,
    params: &Params,
    activity: &mut Activity,
    (insides, training): (&mut Insides, bool),
    key: Key,
) {
    for (l, region) in graph.regions().iter().enumerate().skip(1) {
        let (mut h, mut z) = (std::mem::take(&mut activity.h[l]), std::mem::take(&mut activity.z[l]));
        if let (Some(block), Some(inside)) = (&region.inside, &mut insides.blocks[l]) {
            let shared = &mut insides.shared;
            let lent = Lent {
                device,
                params: params.range(&region.params),
                fixed: &params.fixed[l],
                key: key.child(l as u64),
                training,
                inside,
                shared,
            };
            block.forward(lent, &activity.z[l - 1], &mut h);
            activate(device, region.phi, &h, &mut z);
            (activity.h[l], activity.z[l]) = (h, z);
            continue;
        }
        let weights = region.sources.iter().zip(params.range(&region.params));
        device.forward(Forward {
            afferents: weights.map(|(&k, weight)| Afferent { weight, z: &activity.z[k] }).collect(),
            messages: Default::default(),
            bias: graph.bias(l).map(|b| &params[b]),
            shortcuts: region.shortcuts.iter().map(|&k| &activity.z[k]).collect(),
            phi: region.phi,
            h: &mut h,
            z: &mut z,
        });
        (activity.h[l], activity.z[l]) = (h, z);
    }
}

/// z = phi(h); a softmax goes through the dense phase, which knows whole columns.
pub(crate) fn activate(device: &Device, phi: crate::phi::Phi, h: &Tensor, z: &mut Tensor) {
    if phi != crate::phi::Phi::Softmax {
        return device.perturb_units(h, None, phi, z);
    }
    let mut copy = device.zeros(&[h.rows(), 0]);
    device.forward(Forward {
        afferents: Default::default(),
        messages: Default::default(),
        bias: None,
        shortcuts: [h].into_iter().collect(),
        phi,
        h: &mut copy,
        z,
    });
}
