/** The instants of a pattern of cron in a zone: croner's, and those that the clocks leave out, by the rules of docs/many.md. */
import { Cron } from 'croner'
import { asTdfError, TdfError } from '../../../src/core/errors.ts'
import { clockChangesOf } from './clock-changes.ts'

export interface Instants {
  /** The first behind `at`; null when there is none. Unix ms, as all here. */
  after(at: number): number | null
  /** The last one up to `at`. */
  upTo(at: number): number | null
}

/** Five fields, the smallest step a minute; or a word for them. */
const FORM = /^(@[a-z]+|\S+(\s+\S+){4})$/
const PATTERN = 'five fields of cron such as "30 2 * * 1-5", or @hourly, @daily, @weekly, @monthly, @yearly'

/** Throws USAGE for what is no pattern, no zone, or never comes. */
export function instantsOf(cron: string, zone: string): Instants {
  if (!FORM.test(cron)) throw wrong(`"${cron}" is no pattern: it takes ${PATTERN}`, 'cron')
  assertZone(zone)
  const pattern = patternOf(cron, zone)
  const changes = clockChangesOf(cron, zone)
  const behind = (at: number): number | null => pattern.nextRun(new Date(at))?.getTime() ?? null
  const before = (at: number) => {
    // It counts in whole seconds, and an instant is before the second that follows.
    const [found] = pattern.previousRuns(1, new Date(at + 1_000))
    if (found === undefined || found.getTime() <= at) return found?.getTime() ?? null
    return pattern.previousRuns(1, found)[0]?.getTime() ?? null
  }
  return {
    after(at) {
      let next = behind(at)
      while (next !== null && changes.isSecond(next)) next = behind(next)
      return next === null ? null : (changes.firstLeap(at, next) ?? next)
    },
    upTo(at) {
      let last = before(at)
      while (last !== null && changes.isSecond(last)) last = before(last - 1)
      return last === null ? null : (changes.lastLeap(last, at) ?? last)
    },
  }
}

function patternOf(cron: string, zone: string): Cron {
  try {
    // Without a function it has no timer: it only counts.
    return new Cron(cron, { timezone: zone, mode: '5-part' })
  } catch (thrown) {
    const why = asTdfError(thrown).message.replace(/^Cron\w+: /, '')
    throw wrong(`"${cron}" is no pattern: ${why}`, 'cron')
  }
}

function assertZone(zone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone })
  } catch {
    throw wrong(`"${zone}" is no time zone; it is called as in "Europe/Berlin" or "UTC"`, 'zone')
  }
}

const wrong = (message: string, field: string) =>
  new TdfError('USAGE', message, { field, hint: 'tdf schedule add --help' })
