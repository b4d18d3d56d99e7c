import { realAgent } from '../real-agent.suite.ts'

realAgent('gemini', { asks: true })
