/** Sizes that both ends of a wire agree on, in bytes, counts or ms. */
export const BODY_BYTES_MAX = 1024 * 1024
export const LOG_CHUNK_BYTES_MAX = 1024 * 1024
export const EVENTS_PAGE_MAX = 500
export const EVENTS_WAIT_S_MAX = 60
export const BUNDLE_BYTES_MAX = 16 * 1024 ** 3
/** Between a workspace's 202 and the last byte of its bundle. */
export const BUNDLE_WAIT_MS = 10 * 60_000
/** From SIGTERM to SIGKILL. */
export const KILL_GRACE_MS = 10_000
/** The end of an output that is too long to keep, which is kept behind a line that says so. */
export const LOG_TAIL_BYTES = 64 * 1024
