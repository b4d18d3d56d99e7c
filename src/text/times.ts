/** Times for people: in the zone of the terminal, to the second. JSON keeps ISO 8601 in UTC. */

const two = (number: number) => String(number).padStart(2, '0')

/** `2026-11-24 18:04:05`; what is no time stays as it is. */
export function localTime(iso: string): string {
  const at = new Date(iso)
  if (Number.isNaN(at.getTime())) return iso
  const date = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-')
  return `${date} ${clockTime(iso)}`
}

/** `18:04:05`. */
export function clockTime(iso: string): string {
  const at = new Date(iso)
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')
}

const ISO = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g

/** A sentence of the daemon, which names times in UTC, with the times of the terminal. */
export const withLocalTimes = (sentence: string): string => sentence.replace(ISO, localTime)
