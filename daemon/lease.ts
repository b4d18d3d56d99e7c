/** How long a machine is spoken for beyond now. */

/**
 * In ms. So much longer than `held_max` that a lease never falls below it between two renewals, and few are needed:
 * `tdf reap` must never come earlier than the daemon itself would have given a machine up.
 */
export const leaseMs = (heldMaxMs: number): number => heldMaxMs + Math.ceil(heldMaxMs / 12)
