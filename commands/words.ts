/** Words that several commands share, and how options of theirs are read. */
import { InvalidArgumentError } from 'commander'

export const TASK = 'an id, four or more of its first characters, @last or @last-failed'
export const TASKS = 'ids, first characters of them, @last, @last-failed, or - for a list on stdin'

/** For an option that may be given several times. */
export function collect(text: string, known: string[]): string[] {
  return [...known, text]
}

export function collectLabel(text: string, labels: Record<string, string>): Record<string, string> {
  const equals = text.indexOf('=')
  if (equals < 1) throw new InvalidArgumentError('it must look like key=value.')
  return { ...labels, [text.slice(0, equals)]: text.slice(equals + 1) }
}

export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('it must be a whole number.')
  return Number(text)
}

export function integer(text: string): number {
  if (!/^-?\d{1,4}$/.test(text)) throw new InvalidArgumentError('it must be a whole number.')
  return Number(text)
}

export function amount(text: string): number {
  if (!/^\d{1,6}(\.\d{1,4})?$/.test(text) || Number(text) === 0) {
    throw new InvalidArgumentError('it must be an amount in USD, such as 2.50.')
  }
  return Number(text)
}

/** A word as a shell takes it. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
