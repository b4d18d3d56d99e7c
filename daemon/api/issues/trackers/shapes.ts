/** What GitHub tells of issues, and Forgejo, whose API follows that one, in the same words. */
import { z } from 'zod'
import { shaped } from '../../../results/push/watch/view.ts'
import { type ListedIssue, listedIssue } from './tracker.ts'

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

type Numbered = z.output<typeof numberedIssue> & { labels: string[] }

export const listedOf = ({ number, title, html_url: url, labels, updated_at: stamp }: Numbered): ListedIssue =>
  shaped(listedIssue, { id: String(number), title, url, labels, stamp })
