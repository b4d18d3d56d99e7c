/** `[push]`: what becomes of the branch of a completed task. */
import { z } from 'zod'
import { choice, described, duration, list } from './kinds.ts'

const HOST = /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:\d{1,5})?$/
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/

export const pushTable = z
  .strictObject({
    default: choice(
      ['never', 'branch', 'pr'],
      'never',
      'What follows a completed task without --push, --pr or --no-push.',
    ),
    tokens: described(
      z.record(z.string().regex(HOST), z.string().regex(VARIABLE)).prefault({}),
      'For https: the host, and the name of the secret that holds its token. No values. Others: as your git is set up.',
      {
        expects: 'a table of hosts and names of secrets, such as { "github.com" = "GITHUB_TOKEN" }',
        example: '{ "github.com" = "GITHUB_TOKEN" }',
      },
    ),
    pr_command: list([], 'Opens the pull request, with facts as TDF_… and the text on stdin. Empty: gh.', {
      example: '["open-merge-request"]',
    }),
    retry_for: duration('24h', 'A push that fails is tried again for so long.', { atLeast: '0s' }),
  })
  .prefault({})
  .meta({ description: 'Pushing the branch of a completed task.' })
