//! A bare relay: copies bytes both ways and looks at none of them. What any process between a client and its server costs at least.

use clap::Parser;
use querygate_benches::{ForwardError, Forwarding};
use tokio::io::copy_bidirectional_with_sizes;

/// As much as the gateway reads at a time.
const BUFFER_BYTES: usize = 64 * 1024;

fn main() -> Result<(), ForwardError> {
    Forwarding::parse().run(async |mut client, mut server| {
        copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER_BYTES, BUFFER_BYTES).await.map(drop)
    })
}
