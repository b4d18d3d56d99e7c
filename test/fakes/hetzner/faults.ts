/** What goes wrong, as a list: each fault strikes the calls that it fits, so many times, and is then used up. */

export type Strike =
  /** Answers this before anything is done. */
  | { kind: 'answer'; status: number; code: string; message?: string }
  /** Does what was asked and then answers this. */
  | { kind: 'after'; status: number; code: string }
  /** A gateway's page, or half an answer. */
  | { kind: 'garbage'; text: string; status: number; done: boolean }
  /** The connection is cut, before or after it was done. */
  | { kind: 'cut'; done: boolean }
  /** No answer ever comes. */
  | { kind: 'hang'; done: boolean }
  /** A list without what is in it. */
  | { kind: 'empty' }

export interface Fault {
  /** Against `POST /servers`, without the `/v1`. */
  on: RegExp
  strike: Strike
  times: number
}

export const no = (status: number, code: string, message?: string): Strike => ({
  ...{ kind: 'answer', status, code },
  ...(message === undefined ? {} : { message }),
})

/** Takes the first fault that fits. */
export function strike(faults: Fault[], call: string): Strike | null {
  const fault = faults.find(({ on, times }) => times > 0 && on.test(call))
  if (!fault) return null
  fault.times -= 1
  return fault.strike
}
