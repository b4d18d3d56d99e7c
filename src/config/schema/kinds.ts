/**
 * What a value of the configuration can be. Each kind takes its default as it is written in a file, and answers with a
 * zod schema that carries what people need to know about the key: for the example file, errors and `config show`.
 */
import { z } from 'zod'
import {
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from '../../core/duration.ts'

/** *reload*: taken over by `tdf daemon reload`. *restart*: needs a new daemon. *watch*: read by `tdf watch` when it opens. */
export type Apply = 'reload' | 'restart' | 'watch'

export interface About {
  /** One line that stands above the key in config.example.toml. */
  description: string
  apply: Apply
  /** What a right value is; completes "expected …". */
  expects: string
  /** Of the number that code gets. */
  unit?: 'ms' | 'bytes' | 'percent'
  choices?: readonly string[]
  /** Never shown, neither by `config show` nor in an error. */
  secret?: boolean
  /** Also set by this variable, which is not one of ours. */
  env?: string
  /** Stands in config.example.toml where there is no default worth showing. */
  example?: string
}

export interface KindOptions extends Partial<Omit<About, 'description'>> {
  /** The smallest value, inclusive, as it is written. */
  atLeast?: string
}

/** Polls and pauses shorter than this would only burn the processor; "0s" is a choice of its own where it makes sense. */
const DURATION_LEAST = '1ms'
const DURATION_MS_MAX = 3_650 * 86_400_000

/** A text that is a number inside, in the smallest unit. */
const measure = (form: RegExp, parse: (text: string) => number | undefined, least: number, most: number) =>
  z
    .string()
    .regex(form)
    .transform((text, ctx) => {
      const value = parse(text) ?? -1
      if (value >= least && value <= most) return value
      ctx.issues.push({ code: 'custom', input: text })
      return z.NEVER
    })

/** Whole ms inside. */
export function duration(
  initial: string,
  description: string,
  { atLeast = DURATION_LEAST, ...about }: KindOptions = {},
) {
  const least = parseDuration(atLeast) ?? 0
  const schema = measure(DURATION_PATTERN, parseDuration, least, DURATION_MS_MAX)
  const expects = `a duration from ${formatDuration(least)} to ${formatDuration(DURATION_MS_MAX)} with its unit, such as "30s" or "1h30m"`
  return described(schema.prefault(initial), description, { expects, unit: 'ms', ...about })
}

/** A deadline: never so short that the intervals which must fit below it vanish. */
export function deadline(initial: string, description: string) {
  return duration(initial, description, { atLeast: '10ms' })
}

/** Whole bytes inside. */
export function size(initial: string, description: string, { atLeast = '1B', ...about }: KindOptions = {}) {
  const least = parseSize(atLeast) ?? 0
  const schema = measure(SIZE_PATTERN, parseSize, least, Infinity)
  const expects = `a size of at least ${formatSize(least)} with its unit, such as "64MiB" or "1GiB"`
  return described(schema.prefault(initial), description, { expects, unit: 'bytes', ...about })
}

export function count(
  initial: number,
  [least, most]: readonly [number, number],
  description: string,
  about: KindOptions = {},
) {
  const expects = `a whole number from ${least} to ${most}`
  return described(z.int().min(least).max(most).prefault(initial), description, { expects, ...about })
}

/** An amount of money; 0 is "not known". */
export function price(description: string) {
  const schema = z.number().min(0).max(1_000_000).prefault(0)
  return described(schema, description, { expects: 'an amount of money, such as 1.25' })
}

export function percent(initial: number, description: string) {
  return count(initial, [1, 100], description, { unit: 'percent' })
}

export function flag(initial: boolean, description: string, about: KindOptions = {}) {
  return described(z.boolean().prefault(initial), description, { expects: 'true or false', ...about })
}

export function text(initial: string, description: string, about: KindOptions = {}) {
  return described(z.string().max(TEXT_LENGTH_MAX).prefault(initial), description, { expects: 'a string', ...about })
}

/** A text of one form; empty where the default is empty. `expects` says the form in words. */
export function form(
  pattern: { test(text: string): boolean },
  initial: string,
  description: string,
  about: KindOptions & { expects: string },
) {
  const fits = (value: string) => (initial === '' && value === '') || pattern.test(value)
  return described(z.string().max(TEXT_LENGTH_MAX).refine(fits).prefault(initial), description, about)
}

export function choice<const T extends readonly [string, ...string[]]>(
  choices: T,
  initial: T[number],
  description: string,
  about: KindOptions = {},
) {
  const expects = `one of ${choices.map(name => JSON.stringify(name)).join(', ')}`
  return described(z.enum(choices).prefault(initial), description, { expects, choices, ...about })
}

export function list(initial: readonly string[], description: string, about: KindOptions = {}) {
  const schema = z
    .array(z.string().min(1).max(TEXT_LENGTH_MAX))
    .max(LIST_LENGTH_MAX)
    .prefault([...initial])
  const expects = 'a list of strings such as ["a", "b"], none of them empty'
  return described(schema, description, { expects, ...about })
}

/** Several of a few words. */
export function choices<const T extends readonly [string, ...string[]]>(
  words: T,
  initial: readonly T[number][],
  description: string,
  about: KindOptions = {},
) {
  const schema = z.array(z.enum(words)).prefault([...initial])
  const expects = `a list of ${words.map(name => JSON.stringify(name)).join(', ')}`
  return described(schema, description, { expects, ...about })
}

export function described<T extends z.ZodType>(
  schema: T,
  description: string,
  about: KindOptions & { expects: string },
): T {
  const meta: About = { description, apply: 'reload', ...about }
  return schema.meta({ ...meta })
}

/** Without a user or password in it, a query or a fragment. */
export const HTTP_URL = /^https?:\/\/[^\s/?#@]+(\/[^\s?#]*)?$/

const TEXT_LENGTH_MAX = 65_536
const LIST_LENGTH_MAX = 1_000

/** `[callbacks] listen`: an address that the daemon opens. */
interface ListenAddress {
  /** Without the brackets of IPv6. */
  host: string
  /** 0: any free one. */
  port: number
}

const LISTEN = /^(?<name>[A-Za-z0-9.-]*|\[(?<ipv6>[0-9A-Fa-f:.]+)\]):(?<port>\d{1,5})$/

/** `host:port`, `[ipv6]:port` or `:port`, which is loopback only: an omitted host opens no port to the world. */
export function parseListen(text: string): ListenAddress | undefined {
  const { name, ipv6, port } = LISTEN.exec(text)?.groups ?? {}
  if (port === undefined || Number(port) > 65_535) return undefined
  return { host: ipv6 ?? (name || '127.0.0.1'), port: Number(port) }
}
