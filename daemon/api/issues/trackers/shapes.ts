/** What GitHub tells of issues, and Forgejo, whose API follows that one, in the same words. */
import { z } from 'zod'
import type { Reader } from '../../../results/push/watch/gh.ts'
import { shaped } from '../../../results/push/watch/view.ts'
import { pages } from './calls.ts'
import { BLOCKERS_MAX, type ListedIssue, listedIssue, those } from './tracker.ts'

/** Empty where there is none. */
export const text = z
  .string()
  .nullable()
  .default(null)
  .transform(found => found ?? '')

export const user = z.object({ login: z.string() }).nullable().default(null)

/** Of an event. */
export const label = z.object({ name: z.string() }).nullable().default(null)

export const commentsShape = z.array(z.object({ body: text, user }))

/** Each has its own form of labels beside it. */
export const numberedIssue = z.object({
  number: z.int().positive(),
  title: z.string(),
  html_url: z.string(),
  updated_at: z.string(),
})

/** They come with their texts: so few of a page stay below what is read of an answer. */
const BLOCKERS_PAGE = 25

/** What blocks an issue, by `path`; none where the tracker says no. `size`: how it calls the length of a page. */
export const blockersAt = <T>(reader: Reader, path: string, size: string, shape: z.ZodType<T>): Promise<T[]> =>
  pages(BLOCKERS_MAX / BLOCKERS_PAGE, BLOCKERS_PAGE, async page => {
    const query = `${size}=${BLOCKERS_PAGE}&page=${page}`
    return (await reader.may(`${path}?${query}`, json => shaped(those(shape), json))) ?? []
  })

type Numbered = z.output<typeof numberedIssue> & { labels: string[] }

export const listedOf = ({ number, title, html_url: url, labels, updated_at: stamp }: Numbered): ListedIssue =>
  shaped(listedIssue, { id: String(number), title, url, labels, stamp })
