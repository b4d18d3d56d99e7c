/** What a scripted peer prints to say the same thing to each adapter: lines of test/fakes/programs/scripted-agent.mjs. */
export interface Dialect {
  say(text: string): string[]
  /** Asks whether it may run a command, and says what it made of the answer. */
  ask(command: string): string[]
  /** A tool that was refused by the agent's own rules. */
  refused: string[]
  done(summary: string): string[]
  /** As one line, in which BIG stands for a very long text. */
  doneAtLength: string
  usage: { lines: string[]; is: Record<string, unknown> }
  /** Each way of saying failure, by name: what it prints, and the outcome that follows. */
  failures: Record<string, { lines: string[]; outcome: string; failure: string }>
  /** Each way of saying that a usage limit was reached; `resets`: it says when it is lifted. */
  limits: Record<string, { lines: string[]; resets?: true }>
  /** A limit that was told and is none any more, then a crash. */
  lifted: Record<string, string[]>
}

const json = (value: unknown) => JSON.stringify(value)
const exit = (code: number) => `@exit ${code}`
/** Placeholders for numbers stand in text as strings. */
const numbers = (line: string) => line.replace(/"(@(?:IN1H|IN5D|PAST))"/g, '$1')

const claudeSay = (text: string, more = {}) =>
  json({ type: 'assistant', message: { content: [{ type: 'text', text }] }, ...more })
const claudeResult = (result: string, more = {}) =>
  json({ type: 'result', subtype: 'success', is_error: false, result, ...more })
const claudeLimit = (info: Record<string, unknown>) =>
  numbers(json({ type: 'rate_limit_event', rate_limit_info: info }))
const failed = (lines: string[], failure = 'other', outcome = 'error') => ({ lines, outcome, failure })
const auth = (...lines: string[]) => failed(lines, 'auth')

export const claude: Dialect = {
  say: text => [claudeSay(text)],
  ask: command => [
    `@ask ${json({ type: 'control_request', request_id: 'r1', request: { subtype: 'can_use_tool', tool_name: 'Bash', input: { command } } })}`,
    `@allowed ${claudeSay('I did it')}`,
    `@denied ${claudeSay('I was not allowed to')}`,
  ],
  refused: [claudeResult('Done.', { permission_denials: [{ tool_name: 'Bash' }] })],
  done: summary => [claudeResult(summary)],
  doneAtLength: claudeResult('BIG'),
  usage: {
    lines: [
      claudeResult('one turn', { total_cost_usd: 0.25, modelUsage: { m: { inputTokens: 30, outputTokens: 4 } } }),
    ],
    is: { inputTokens: 30, outputTokens: 4, costUsd: 0.25 },
  },
  failures: {
    'an error result': failed([claudeResult('it broke', { is_error: true }), exit(1)]),
    'a status 401': auth(claudeResult('API Error: 401', { is_error: true, api_error_status: 401 }), exit(1)),
    'a kind of error before a result that is none': auth(
      claudeSay('API Error: 401 {"type":"error"}', { error: 'authentication_failed' }),
      claudeResult('API Error: 401 invalid x-api-key'),
    ),
    'words alone': auth(claudeSay('hm'), claudeResult('API Error: 401 invalid x-api-key')),
    'a status 500': failed(
      [claudeResult('API Error', { is_error: true, api_error_status: 529 }), exit(1)],
      'overloaded',
    ),
    'a limit on turns': failed(
      [json({ type: 'result', subtype: 'error_max_turns', is_error: true }), exit(1)],
      'turns',
    ),
    'a budget': failed([json({ type: 'result', subtype: 'error_max_budget_usd', is_error: true })], 'budget', 'budget'),
    'a refusal': failed([claudeResult('', { stop_reason: 'refusal' })], 'refusal'),
    'an answer that was cut off': failed(
      [claudeSay('and', { error: 'max_output_tokens' }), claudeResult('and')],
      'turns',
    ),
  },
  limits: {
    'a status 429': { lines: [claudeResult('limited', { is_error: true, api_error_status: 429 }), exit(1)] },
    'a status 429 after an event with its end': {
      lines: [
        claudeLimit({ status: 'rejected', resetsAt: '@IN1H' }),
        claudeResult('limited', { is_error: true, api_error_status: 429 }),
        exit(1),
      ],
      resets: true,
    },
    'a kind of error without a status': {
      lines: [
        claudeSay('You have hit your session limit', { error: 'rate_limit' }),
        claudeResult('You have hit your session limit', { is_error: true }),
        exit(1),
      ],
    },
    'a kind of error before a result that is none': {
      lines: [claudeSay('limited', { error: 'rate_limit' }), claudeResult('limited')],
    },
    'words alone': { lines: [claudeResult("You've hit your session limit · resets 3pm (UTC)")] },
    'an event, then nothing': {
      lines: [claudeLimit({ status: 'rejected', resetsAt: '@IN1H' }), exit(1)],
      resets: true,
    },
  },
  lifted: {
    'by a later word': [
      claudeLimit({ status: 'rejected', resetsAt: '@IN5D' }),
      claudeLimit({ status: 'allowed', resetsAt: '@IN1H' }),
      exit(3),
    ],
    'by what the account pays beyond it': [
      claudeLimit({ status: 'rejected', resetsAt: '@IN5D', overageStatus: 'allowed', isUsingOverage: true }),
      exit(3),
    ],
    'by an answer of the model': [
      claudeLimit({ status: 'rejected', resetsAt: '@IN5D' }),
      claudeSay('on I go'),
      exit(3),
    ],
  },
}

const item = (value: Record<string, unknown>) =>
  json({ method: 'item/completed', params: { item: { id: 'i1', ...value } } })
const codexSay = (text: string) => item({ type: 'agentMessage', text })
const turn = (value: Record<string, unknown>) =>
  json({ method: 'turn/completed', params: { turn: { id: 'turn-1', items: [], ...value } } })
const codexFail = (codexErrorInfo: unknown, message = 'it broke') =>
  turn({ status: 'failed', error: { message, codexErrorInfo } })
const codexLimits = (rateLimits: Record<string, unknown>) =>
  numbers(json({ method: 'account/rateLimits/updated', params: { rateLimits } }))
const FULL = { usedPercent: 100, resetsAt: '@IN1H' }

export const codex: Dialect = {
  say: text => [codexSay(text)],
  ask: command => [
    `@ask ${json({ id: 0, method: 'item/commandExecution/requestApproval', params: { command } })}`,
    `@allowed ${codexSay('I did it')}`,
    `@denied ${codexSay('I was not allowed to')}`,
  ],
  refused: [item({ type: 'fileChange', status: 'declined', changes: [] }), turn({ status: 'completed' })],
  done: summary => [codexSay(summary), turn({ status: 'completed' })],
  doneAtLength: turn({ status: 'completed', items: [{ type: 'agentMessage', text: 'BIG' }] }),
  usage: {
    lines: [
      json({
        method: 'thread/tokenUsage/updated',
        params: { tokenUsage: { total: { inputTokens: 30, outputTokens: 4 } } },
      }),
    ],
    is: { inputTokens: 30, outputTokens: 4, costUsd: null },
  },
  failures: {
    'a failed turn': failed([codexFail('badRequest')]),
    'a kind of error': auth(codexFail('unauthorized')),
    'a status 401': auth(codexFail({ httpConnectionFailed: { httpStatusCode: 401 } })),
    'words alone': auth(codexFail('somethingNew', 'unexpected status 401 Unauthorized')),
    'words of a turn that is completed': auth(codexSay('Error: 401 Unauthorized'), turn({ status: 'completed' })),
    'an error of a turn that is completed': auth(
      turn({ status: 'completed', error: { message: 'x', codexErrorInfo: 'unauthorized' } }),
    ),
    'a server that is overloaded': failed([codexFail('serverOverloaded')], 'overloaded'),
    'a budget': failed([codexFail('sessionBudgetExceeded')], 'budget', 'budget'),
    'a turn that was interrupted': failed([turn({ status: 'interrupted' })], 'interrupted'),
  },
  limits: {
    'a kind of error': { lines: [codexFail('usageLimitExceeded')] },
    'a full window and a kind of error': {
      lines: [codexLimits({ primary: FULL }), codexFail('usageLimitExceeded')],
      resets: true,
    },
    'a kind of error, and its end a moment later': {
      lines: [codexFail('usageLimitExceeded'), '@sleep 100', codexLimits({ primary: FULL })],
      resets: true,
    },
    'a status 429': { lines: [codexFail({ responseTooManyFailedAttempts: { httpStatusCode: 429 } })] },
    'words alone': { lines: [codexFail('somethingNew', 'You have hit your usage limit.')] },
    'a full window, then nothing': { lines: [codexLimits({ primary: FULL }), exit(1)], resets: true },
  },
  lifted: {
    'by a window that is open again': [
      codexLimits({ primary: { ...FULL, resetsAt: '@IN5D' } }),
      codexLimits({ primary: { usedPercent: 3 } }),
      exit(3),
    ],
    'by credits': [codexLimits({ primary: FULL, credits: { hasCredits: true, unlimited: false } }), exit(3)],
    'by an answer of the model': [codexLimits({ primary: FULL }), codexSay('on I go'), exit(3)],
  },
}

const rpc = (message: Record<string, unknown>) => json({ jsonrpc: '2.0', ...message })
const update = (value: Record<string, unknown>) =>
  rpc({ method: 'session/update', params: { sessionId: 'c1', update: value } })
const acpSay = (text: string) => update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } })
const acpEnd = (stopReason = 'end_turn', more = {}) => rpc({ id: '@PROMPT', result: { stopReason, ...more } })
const acpError = (message: string, data: unknown = null, code = -32603) =>
  rpc({ id: '@PROMPT', error: { code, message, data } })
const toolFailed = (more: Record<string, unknown>) =>
  update({ sessionUpdate: 'tool_call_update', toolCallId: 't', kind: 'execute', status: 'failed', ...more })
const content = (text: string) => [{ type: 'content', content: { type: 'text', text } }]
const bridged = (info: Record<string, unknown>) =>
  numbers(update({ sessionUpdate: 'usage_update', used: 1, size: 2, _meta: { '_claude/rateLimit': info } }))

export const acp: Dialect = {
  say: text => [acpSay(text)],
  ask: command => [
    `@ask ${rpc({
      id: 0,
      method: 'session/request_permission',
      params: {
        sessionId: 'c1',
        toolCall: { toolCallId: 't', kind: 'execute', rawInput: { command } },
        options: [
          { optionId: 'ok-always', kind: 'allow_always', name: 'Always' },
          { optionId: 'ok-once', kind: 'allow_once', name: 'Yes' },
          { optionId: 'no', kind: 'reject_once', name: 'No' },
        ],
      },
    })}`,
    `@allowed ${acpSay('I did it')}`,
    `@denied ${acpSay('I was not allowed to')}`,
  ],
  refused: [toolFailed({ rawOutput: { code: 'rejected' } }), acpSay('Done.'), acpEnd()],
  done: summary => [acpSay(summary), acpEnd()],
  doneAtLength: acpEnd('end_turn', { _meta: { text: 'BIG' } }),
  usage: {
    lines: [update({ sessionUpdate: 'usage_update', used: 1, size: 2, cost: { amount: 0.25, currency: 'USD' } })],
    is: { costUsd: 0.25 },
  },
  failures: {
    'an error': failed([acpError('it broke')]),
    'an error that is a login': auth(acpError('Authentication required', null, -32000)),
    'an error with a status': auth(acpError('Internal error', { status: 401 })),
    'an error with a kind': auth(acpError('Internal error', { errorKind: 'authentication_failed' })),
    'the words of an error': auth(acpError('Internal error: invalid x-api-key')),
    'the words of a turn that ends well': auth(acpSay('[API Error: 401 invalid key]'), acpEnd()),
    'words after an answer': auth(acpSay('Let me see.'), acpSay('Error: 401 Unauthorized'), acpEnd()),
    '_meta with a text': failed([acpEnd('end_turn', { _meta: { 'codebuddy.ai/errorMessage': '429 quota exceeded' } })]),
    '_meta with an object': auth(acpEnd('end_turn', { _meta: { vendor: { error: { message: '401 Unauthorized' } } } })),
    'a refusal': failed([acpEnd('refusal')], 'refusal'),
    'a limit on tokens': failed([acpEnd('max_tokens')], 'turns'),
    'a limit on turns': failed([acpEnd('max_turn_requests')], 'turns'),
    'a turn that was cancelled': failed([acpEnd('cancelled')], 'interrupted'),
    'a reason from the future': failed([acpEnd('tired')]),
    'an error without an id, then nothing': failed([
      rpc({ id: null, error: { code: -32700, message: 'what?' } }),
      acpEnd(),
    ]),
  },
  limits: {
    'an error with a kind': { lines: [acpError('Internal error', { errorKind: 'rate_limit' })] },
    'an error with a status': { lines: [acpError('Internal error', { statusCode: 429 })] },
    'a code 429': { lines: [acpError('Rate limit exceeded. Try again later.', null, 429)] },
    'the words of an error': { lines: [acpError("Internal error: You've hit your limit · resets 9pm (UTC)")] },
    'the words of a turn that ends well': { lines: [acpSay("You've hit your usage limit."), acpEnd()] },
    'what the bridge of Claude passes on': {
      lines: [
        bridged({ status: 'rejected', resetsAt: '@IN1H' }),
        acpError('Internal error', { errorKind: 'rate_limit' }),
      ],
      resets: true,
    },
  },
  lifted: {
    'by a later word': [bridged({ status: 'rejected', resetsAt: '@IN5D' }), bridged({ status: 'allowed' }), exit(3)],
    'by an answer of the model': [bridged({ status: 'rejected', resetsAt: '@IN5D' }), acpSay('on I go'), exit(3)],
  },
}

/** Ways in which ACP agents say that a tool was refused, beside the one above. */
export const ACP_REFUSALS: Record<string, string> = {
  'GitHub Copilot': toolFailed({ rawOutput: { code: 'denied', message: 'no' } }),
  'Gemini CLI': toolFailed({ content: content('Tool "run_shell_command" was canceled by the user.') }),
  'the bridge of Claude': toolFailed({ content: content('User refused permission to run tool') }),
  OpenCode: toolFailed({ rawOutput: { error: 'The user rejected permission to use this specific tool call.' } }),
}
