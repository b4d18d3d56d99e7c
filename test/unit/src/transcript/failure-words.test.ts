/** Words that are a failure, and words that are about one. */
import { expect, it } from 'vitest'
import { failureSaid, isRefusal } from '../../../../src/transcript/failure-words.ts'

it.each([
  ['API Error: 401 invalid x-api-key', 'auth'],
  ['[API Error: 401 invalid key]', 'auth'],
  ['Error: Authentication failed with provider at http://127.0.0.1:1/v1 (HTTP 401).\n  Check your key.', 'auth'],
  ['Execution failed: CAPIError: 401 Unauthorized', 'auth'],
  ['Failed to authenticate. API Error: 401', 'auth'],
  ['Not logged in · Please run /login', 'auth'],
  ['Invalid API key · Fix external API key', 'auth'],
  ['HTTP 403: Forbidden', 'auth'],
  ['AuthenticationError: invalid credentials', 'auth'],
  ['Error: Failed to get response from the AI model; retried 5 times Last error: 500 boom', 'overloaded'],
  ['API Error: 529 overloaded', 'overloaded'],
  ['Request failed with status code 503', 'overloaded'],
  ['Error: connect ECONNREFUSED 127.0.0.1:443', 'network'],
  ['TypeError: fetch failed', 'network'],
  ["You've hit your session limit · resets 3pm (UTC)", 'usage_limit'],
  ['Claude AI usage limit reached|1764000000', 'usage_limit'],
  ['Rate limit exceeded. Try again later.', 'usage_limit'],
  ['API Error: Request rejected (429) · rate limited', 'usage_limit'],
  ['Error: 402 Your credit balance is too low', 'other'],
])('%s', (text, failure) => {
  expect(failureSaid(text)?.failure).toBe(failure)
})

it.each([
  'Done: wrote out.txt',
  'Fixed the error: a 401 was returned when the key was missing.',
  'Error handling for 401 and 429 was added.',
  'Error messages now name the cause.',
  'Errors: 0, warnings: 2',
  'The rate limit exceeded error is handled now.',
  'Invalid API keys are refused with 401 now.',
  'Rate limits are read from the configuration.',
  'The request failed test passes, 401 included.',
  'You have reached the end of the list of limits in the docs; I added the rest.',
  'Error: the test expects a model with two fields, so I changed it.',
  'Authentication is done by token now; 401 without one.',
  '',
])('is work: %s', text => {
  expect(failureSaid(text)).toBe(null)
})

it('tells a refusal from a file that may not be read', () => {
  expect(isRefusal('cat: /root/x: Permission denied')).toBe(false)
  expect(isRefusal('ssh: connect to host: Connection refused by 10.0.0.1')).toBe(false)
  expect(isRefusal('User refused permission to run tool')).toBe(true)
  expect(isRefusal("Claude requested permissions to write to x, but you haven't granted it yet.")).toBe(true)
})
