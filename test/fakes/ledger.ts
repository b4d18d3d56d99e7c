/**
 * The database that several daemons share, in memory: fenced by a number as the real one is, and with the faults of what lies
 * between: it is slow, it is away, an answer is lost and the write is asked for again.
 */
import { TdfError } from '../../src/core/errors.ts'
import type { World } from '../../src/platform/world.ts'
import type { BlobStore, Change, Ledger } from '../../src/store/ledger/ledger.ts'

export interface LedgerFaults {
  /** Turns of the event loop that a way takes. */
  turns(): number
  /** Whether the answer of a write is lost, though it was stored. */
  losesAnswer(): boolean
  /** Whether what a dead daemon had sent still arrives. */
  outlives(): boolean
  /** What is wrong with it, where it is a broken one. */
  flaw: LedgerFlaw | null
  /** Whether it shows now. */
  isFlawed(): boolean
}

export type LedgerFlaw = 'drops writes' | 'answers before it stored' | 'has no fence'

export interface FakeLedger {
  rows: Map<string, Change>
  blobs: Map<string, Buffer>
  position: { epoch: number; seq: number }
  faults: LedgerFaults
  /** Daemons that were told that another one serves. */
  fenced: number
  /** Unix ms. */
  now(): number
  /** A daemon takes the installation over, from whichever serves. */
  claim(options?: { world?: World; isDead?: () => boolean; behind?: readonly Change[] }): Ledger
  /** Nothing is answered any more, and nothing arrives. */
  leave(): void
  isAway(): boolean
  /** What waited arrives now. */
  comeBack(): void
}

export const NO_FAULTS: LedgerFaults = {
  turns: () => 0,
  losesAnswer: () => false,
  outlives: () => true,
  flaw: null,
  isFlawed: () => true,
}

export function fakeLedger(faults: Partial<LedgerFaults> = {}): FakeLedger {
  const position = { epoch: 0, seq: 0 }
  const rows = new Map<string, Change>()
  let awaySince: number | null = null
  let waiting: (() => void)[] = []

  const is = (flaw: LedgerFlaw) => fake.faults.flaw === flaw && fake.faults.isFlawed()

  /** What the database does with a write: one transaction. */
  function apply(epoch: number, seq: number, changes: readonly Change[]): void {
    if (!is('has no fence')) {
      if (epoch !== position.epoch) throw fencedError()
      if (seq === position.seq) return
      if (seq !== position.seq + 1) throw fencedError()
    }
    position.seq = seq
    if (is('drops writes')) return
    for (const change of changes) {
      if (change.row === null) rows.delete(nameOf(change))
      else rows.set(nameOf(change), change)
    }
  }

  const fake: FakeLedger = {
    rows,
    blobs: new Map(),
    position,
    faults: { ...NO_FAULTS, ...faults },
    fenced: 0,
    now: () => 0,
    claim({ world, isDead = () => false, behind } = {}) {
      const epoch = ++position.epoch
      const first = behind ?? [...rows.values()]
      let { seq } = position
      if (world) fake.now = world.clock.now
      /** One write at a time. */
      let before: Promise<unknown> = Promise.resolve()
      let lost: (why: string) => void = () => {}
      const turn = world?.clock.turn ?? ((then: () => void) => void setImmediate(then))

      async function way(): Promise<void> {
        for (let left = fake.faults.turns(); left > 0; left--) await new Promise<void>(resolve => turn(resolve))
        if (awaySince !== null) await new Promise<void>(resolve => waiting.push(resolve))
      }

      /** Asks for something until it is answered; what is asked of it twice is told by its number. */
      async function ask<Answer>(act: () => Answer): Promise<Answer> {
        for (;;) {
          await way()
          if (isDead() && !fake.faults.outlives()) throw new Error('the power is off: it never arrived')
          const answer = fencing(act)
          await way()
          if (isDead()) throw new Error('the power is off: nothing hears the answer')
          if (!fake.faults.losesAnswer()) return answer
        }
      }

      function fencing<Answer>(act: () => Answer): Answer {
        try {
          return act()
        } catch (error) {
          fake.fenced += 1
          lost('another daemon serves')
          lost = () => {}
          throw error
        }
      }

      return {
        position: () => ({ epoch, seq }),
        rows: () => first,
        async write(changes) {
          seq += 1
          const next = seq
          const stored = () => ask(() => apply(epoch, next, changes))
          before = before.then(stored)
          if (is('answers before it stored')) return void before.catch(() => {})
          await before
        },
        reload: () =>
          ask(() => {
            if (epoch !== position.epoch) throw fencedError()
            return [...rows.values()]
          }),
        outage: () => (awaySince === null ? null : { since: awaySince, error: 'connection refused' }),
        onLost(then) {
          lost = then
        },
        blobs: blobsOf(fake.blobs),
        close: async () => {},
      }
    },
    leave() {
      awaySince = fake.now()
    },
    isAway: () => awaySince !== null,
    comeBack() {
      awaySince = null
      const all = waiting
      waiting = []
      for (const go of all) go()
    },
  }
  return fake
}

const nameOf = ({ table, key }: Change) => `${table} ${key}`
const fencedError = () => new TdfError('FENCED', 'another daemon serves this installation')

function blobsOf(blobs: Map<string, Buffer>): BlobStore {
  return {
    async put(name, parts) {
      const all: Buffer[] = []
      for await (const part of parts) all.push(part)
      blobs.set(name, Buffer.concat(all))
    },
    async get(name) {
      const bytes = blobs.get(name)
      return bytes === undefined ? null : inParts(bytes)
    },
    async remove(names) {
      for (const name of names) blobs.delete(name)
    },
    list: async prefix => [...blobs.keys()].filter(name => name.startsWith(prefix)).sort(),
  }
}

async function* inParts(bytes: Buffer): AsyncIterable<Buffer> {
  yield bytes
}
