/** How far something is, in short: amounts of bytes, and what git tells of its progress on stderr. Imports nothing. */

const DOING = 'Enumerating|Counting|Compressing|Receiving|Resolving|Unpacking|Updating|Checking|Filtering'
/** Those of git, and of git-lfs, whose objects are `LFS objects`. */
const STAGES = `(?:${DOING}|Downloading|Uploading) [A-Za-z ]+`

/** `Receiving objects:  45% (123/270), 12.00 MiB | 3.00 MiB/s`, also behind `remote: `, as git 2.20 to 2.50 write it. */
const PROGRESS = new RegExp(
  `^(?:remote: )?(${STAGES}): +(?:(\\d{1,3})%(?: \\(\\d+/\\d+\\))?)?(?:, ([\\d.]+ (?:bytes|[KMG]iB))[^\\r\\n]*)?`,
)

/** The newest thing that a piece of output tells: `receiving objects, 45 %, 12.00 MiB`; null when it tells none. */
export function gitProgress(said: string): string | null {
  const [, what, percent, amount] =
    said
      .split(/[\r\n]+/)
      .map(line => PROGRESS.exec(line))
      .findLast(found => found?.[2] !== undefined) ?? []
  if (what === undefined) return null
  return [what.toLowerCase(), `${percent} %`, amount].filter(part => part !== undefined).join(', ')
}

/** And what it tells of a fetch that goes well: where from, and which refs. */
const TOLD = new RegExp(
  `^(?:(?:remote: )?${STAGES}: |(?:remote: )?Total \\d|From |Cloning into | [*=+t-] \\[| +[0-9a-f]+\\.{2,3}[0-9a-f]+ )`,
)

/** For a message: the rest of what git said, also where it stands behind a stage that was cut off. */
export const withoutProgress = (said: string): string =>
  said
    .split('\n')
    .flatMap(line => {
      const parts = line.split('\r')
      const rest = parts.filter(part => part.trim() !== '' && !TOLD.test(part))
      return rest.length === 0 && parts.some(part => TOLD.test(part)) ? [] : [rest.join('\r')]
    })
    .join('\n')

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB']

/** `61 of 130 MB (47 %)`; `61 MB` while nobody knows how many there will be. */
export function amountText(doneBytes: number, totalBytes: number | null): string {
  const largest = totalBytes ?? doneBytes
  const power = Math.min(Math.floor(Math.log10(Math.max(largest, 1)) / 3), UNITS.length - 1)
  const inUnits = (bytes: number) => (bytes / 1000 ** power).toFixed(largest / 1000 ** power < 10 && power > 0 ? 1 : 0)
  if (totalBytes === null) return `${inUnits(doneBytes)} ${UNITS[power]}`
  const percent = totalBytes === 0 ? 100 : Math.floor((doneBytes / totalBytes) * 100)
  return `${inUnits(doneBytes)} of ${inUnits(totalBytes)} ${UNITS[power]} (${percent} %)`
}
