//! Bodies whose decider looks at what they come to.

use stm_core::{Abort, Decision, Tx, try_atomically};

/// `body`, and when it has a result, `decider` about it.
pub fn with_decider<R, E>(
    mut body: impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
    mut decider: impl FnMut(&mut R) -> Decision<E>,
) -> impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>> {
    move |tx| {
        let mut result = body(tx)?;
        tx.decide(|| decider(&mut result))?;
        Ok(result)
    }
}

#[track_caller]
pub fn decided<R, E>(
    body: impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
    decider: impl FnMut(&mut R) -> Decision<E>,
) -> Result<R, E> {
    try_atomically(with_decider(body, decider))
}
