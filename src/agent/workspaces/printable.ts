/** Output of other programs, fit for a message: its end, without control characters and without passwords in urls. */
const BYTES_MAX = 2048
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const ESCAPES = /\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)?|[@-Z\\-_])/g
const CONTROLS = /[^\P{C}\n\t]/gu
const CREDENTIALS = /(:\/\/)[^/@\s]+@/g

export function printable(text: string): string {
  const clean = text
    .replace(ESCAPES, '')
    .replace(/\r\n?/g, '\n')
    .replace(CONTROLS, '')
    .replace(CREDENTIALS, '$1***@')
    .trim()
  const bytes = Buffer.from(clean)
  if (bytes.length <= BYTES_MAX) return clean
  return `…${bytes
    .subarray(-BYTES_MAX + 3)
    .toString('utf8')
    .replace(/^�+/, '')}`
}
