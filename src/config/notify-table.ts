/** `[notify]`: who is told, of what, and how much. */
import { z } from 'zod'
import { choices, flag, form, list } from './kinds.ts'

const NEWS_EVENTS = ['done', 'failed', 'cancelled', 'parked', 'needs-you', 'push-failed'] as const
export type NewsEvent = (typeof NEWS_EVENTS)[number]

/** With a query, which often holds a token; without a user or a fragment. */
const URL_FORM = /^https?:\/\/[^\s/?#@]+(\/[^\s#]*)?$/

export const notifyTable = z
  .strictObject({
    command: list([], 'A program and its arguments; it gets the message as JSON on stdin. Empty: none.'),
    webhook: form(URL_FORM, '', 'An address that gets the message as JSON by POST. Empty: none.', {
      expects: 'a URL such as "https://example.org/hook"',
      secret: true,
    }),
    ntfy: form(URL_FORM, '', 'A topic of ntfy that gets the message as text. Empty: none.', {
      expects: 'a URL such as "https://ntfy.sh/my-topic"',
      secret: true,
    }),
    events: choices(NEWS_EVENTS, ['done', 'failed', 'parked', 'needs-you', 'push-failed'], 'What you are told of.'),
    include_text: flag(
      false,
      'Send title, prompt, labels, summary and error text too. They may pass servers that are not yours.',
    ),
  })
  .prefault({})
  .meta({ description: 'How you are told when a task needs you or has ended.' })
