// Command outgate delivers an application's messages to chat rooms and webhooks.
package main

func main() {}
