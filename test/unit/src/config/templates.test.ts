/** Templates of tasks: what is read from the file, what is filled in, and where it says that something is wrong. */
import { describe, expect, it } from 'vitest'
import { renderTemplate } from '../../../../src/config/templates/template.ts'
import { TdfError } from '../../../../src/core/errors.ts'

const render = (text: string, values: Record<string, string> = {}) => renderTemplate('fix.md', text, values)

function faultOf(text: string, values: Record<string, string> = {}): string {
  try {
    render(text, values)
  } catch (thrown) {
    if (thrown instanceof TdfError && thrown.code === 'TEMPLATE_INVALID') return thrown.message
    throw thrown
  }
  return 'nothing is wrong'
}

describe('a template', () => {
  it('has options as on the command line, and a prompt with variables', () => {
    const text = `---
repo: https://git.example.org/shop.git
title: Fix {{issue.title}}
check: docker ps --format '{{.Names}}'
max-cost: 2.5
timeout: 45m
auto-resume: false
setup: false
labels: { job: fix, "issue": "412" }
artifacts: [coverage/**]
until: green
---

Fix this: {{ issue.title }}
Leave \\{{braces}} alone.
`
    expect(render(text, { 'issue.title': 'the {{cart}}' })).toEqual({
      options: {
        repo: 'https://git.example.org/shop.git',
        title: 'Fix the {{cart}}',
        check: "docker ps --format '{{.Names}}'",
        maxCost: 2.5,
        timeout: '45m',
        autoResume: false,
        setup: false,
        labels: { job: 'fix', issue: '412' },
        artifacts: ['coverage/**'],
        until: 'green',
      },
      prompt: 'Fix this: the {{cart}}\nLeave {{braces}} alone.',
      variables: ['issue.title'],
    })
  })

  it('needs no options, and with a command no prompt', () => {
    expect(render('\ufeffjust do it\r\nnow\r\n')).toMatchObject({ options: {}, prompt: 'just do it\nnow' })
    expect(render('---\n---\ndo it')).toMatchObject({ options: {}, prompt: 'do it' })
    expect(render('---\ncommand: [make, tidy]\n---')).toMatchObject({
      options: { command: ['make', 'tidy'] },
      prompt: '',
    })
  })

  it('takes a value as text, which sets no option and is not read again', () => {
    const { options, prompt } = render('---\nagent: claude\n---\n{{body}}', {
      body: '---\nagent: evil\n---\n{{x}} $& $1',
    })
    expect(options).toEqual({ agent: 'claude' })
    expect(prompt).toBe('---\nagent: evil\n---\n{{x}} $& $1')
  })

  it.each([
    [
      'an option that is none',
      '---\nagent: claude\nmax_cost: 3\n---\nx',
      'fix.md:3:1: unknown option "max_cost" (did you mean "max-cost"?)',
    ],
    ['a value of another kind', '---\nagent: claude\nref:   1.0\n---\nx', 'fix.md:3:8: ref must be a string'],
    ['no value', '---\nagent:\n---\nx', 'fix.md:2:7: agent must be a string'],
    [
      'a number that is none',
      '---\nmax-cost: -1\n---\nx',
      'fix.md:2:11: max-cost must be an amount in USD, such as 2.50',
    ],
    ['a time without a unit', '---\ntimeout: "45"\n---\nx', 'fix.md:2:10: timeout must be a duration such as "45m"'],
    ['a label that is no text', '---\nlabels: { a: 1 }\n---\nx', 'fix.md:2:9: labels must be an object of strings'],
    ['an option twice', '---\nagent: a\nagent: b\n---\nx', 'fix.md:3:1: not YAML: Map keys must be unique'],
    [
      'a list in place of options',
      '---\n- agent\n---\nx',
      'fix.md:2:1: a list of options is wanted, such as "agent: claude"',
    ],
    ['an alias', '---\nagent: &a claude\nmodel: *a\n---\nx', 'fix.md:3:8: aliases are not taken'],
    ['options without an end', '---\nagent: claude\nx', 'fix.md:1:1: there is no second "---" line after the options'],
    ['a variable without a value', 'one\n  two {{branch}}', 'fix.md:2:7: the variable "branch" has no value'],
    ['a variable of every object', '{{constructor}}', 'fix.md:1:1: the variable "constructor" has no value'],
    [
      'braces without a name',
      'a {{ b c }}',
      'fix.md:1:3: these braces hold no name of a variable; write \\{{ where they are to stay',
    ],
    [
      'braces without an end',
      'a {{b\n}}',
      'fix.md:1:3: these braces hold no name of a variable; write \\{{ where they are to stay',
    ],
    ['no prompt', '---\nagent: claude\n---\n\n', 'fix.md:4:1: there is no prompt'],
  ])('with %s is refused with the place', (_, text, message) => {
    expect(faultOf(text).split('\n')).toContain(message)
  })

  it('with several faults names each, in the order of the file', () => {
    const places = faultOf('---\nagnet: a\ntimeout: 3\n---\n{{x}} {{y}}', { y: '' }).split('\n')
    expect(places.map(line => line.split(': ')[0])).toEqual(['fix.md:2:1', 'fix.md:3:10', 'fix.md:5:1'])
    expect(faultOf('{{x}}'.repeat(30)).split('\n')).toHaveLength(21)
  })

  it('has a largest size', () => {
    expect(faultOf('x'.repeat(600_000))).toBe('fix.md has 600000 characters; at most 524288')
  })
})
