/**
 * What every tracker of issues is asked for, whatever it is: the issues that carry the label, who set it, what they say, and what may
 * be written to one. Nothing of it is believed beyond its shape.
 */
import { z } from 'zod'
import type { SourceConfig } from '../../../../src/config/schema/config.ts'
import type { Allowance, Cache, callForge } from '../../../results/push/watch/gh.ts'
import type { Engine } from '../../../services.ts'

/** As a list of the tracker has it. */
export const listedIssue = z.object({
  /** What people call it there: `412`, `ENG-12`. */
  id: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/),
  title: z.string().transform(text => text.slice(0, 500)),
  url: z
    .string()
    .regex(/^https?:\/\/[A-Za-z0-9.:[\]-]+\/[!-~]{0,500}$/)
    .nullable()
    .catch(null),
  labels: z.array(z.string()).transform(names => names.slice(0, 100).map(name => name.slice(0, 200))),
  /** Is another one after anything of the issue has changed. */
  stamp: z.string().max(200),
  /** By what the tracker finds it, where that is not `id`. */
  key: z.string().max(200).optional(),
})
export type ListedIssue = z.output<typeof listedIssue>

export const BLOCKERS_MAX = 50

/** A list of which only what is as it should be counts. */
export const those = <T>(shape: z.ZodType<T>) =>
  z
    .array(shape.nullable().catch(null))
    .catch([])
    .transform(all => all.filter(one => one !== null))

/** Who set the label last. */
export interface Labelling {
  /** Names the act; null where the tracker keeps none: then the label has to go before it counts again. */
  event: string | null
  /** Null: the tracker does not say it. */
  by: string | null
  /** Whether they may write to the project. */
  isMember: boolean
}

export interface IssueContent {
  body: string
  /** The oldest first. */
  comments: { author: string; text: string }[]
}

/** Each call throws FORGE_UNAVAILABLE, with the time before which nothing may be asked. */
export interface Tracker {
  /** Every open issue that carries the label, in the order in which they were opened; what to keep for the next look. */
  list(known: Cache): Promise<{ issues: ListedIssue[]; cache: Cache }>
  /** Null: nobody has set it, as the tracker says by now. */
  labelling(issue: ListedIssue): Promise<Labelling | null>
  content(issue: ListedIssue): Promise<IssueContent>
  /** Open issues of the project that block it, of which BLOCKERS_MAX count; none where the tracker knows none, or does not say. */
  blockers(issue: ListedIssue): Promise<string[]>
  /** Whether it is still open and carries the label; asked of one that is not in the list any more. */
  stands(id: string): Promise<boolean>
  /** Writes it unless `mark`, which is a part of it, stands in a comment already. */
  comment(id: string, text: string, mark: string): Promise<void>
  label(id: string, add: readonly string[], remove: readonly string[]): Promise<void>
  /** The repository of the project, for a template that names none; null: it has none. */
  repository: string | null
}

/** What a tracker is asked with. */
export interface Asking {
  source: SourceConfig
  token: string | null
  allowance: Allowance
  signal: AbortSignal
  now(): number
  fetch: Engine['world']['fetch']
  /** How GitHub is asked. */
  call: typeof callForge
}

export const labelled = ({ label }: Pick<SourceConfig, 'label'>, labels: readonly string[]) =>
  labels.some(name => name.toLowerCase() === label.toLowerCase())
