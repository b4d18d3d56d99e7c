/** Names of refs and paths that salvage deals with. Paths are byte strings: latin1, so that every byte survives. */

/** Holds the base commit in the salvage repository; no result may have such a name. */
export const BASE_REF = 'refs/keep/base'

/** Every byte of a file's name as one character: names need not be UTF-8. */
export type BytePath = string

export const logRef = (ref: string) => `${ref}-log`
export const sessionRef = (ref: string) => `${ref}-session`
export const headsRefs = (ref: string) => `${ref}-heads`
export const stashRefs = (ref: string) => `${ref}-stash`

/** The rules of git-check-ref-format(1), for a full name. */
export function isRefName(name: string): boolean {
  return (
    name.startsWith('refs/') &&
    name.length <= 1024 &&
    name.length > 'refs/'.length &&
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    !/[\u0000-\u0020\u007F~^:?*[\\]|\.\.|@\{|\/\/|\/$|\.$/.test(name) &&
    name.split('/').every(part => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'))
  )
}

export function isObjectId(text: string, length: number): boolean {
  return text.length === length && /^[0-9a-f]+$/.test(text)
}

export function bytes(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1')
}

/** For people: as UTF-8 where it is that. */
export function shown(path: BytePath): string {
  return bytes(path).toString('utf8')
}
