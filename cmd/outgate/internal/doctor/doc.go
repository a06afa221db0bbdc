// Package doctor examines Redis, the gateway and the bridges, and says what to do about
// what it finds. It changes nothing.
package doctor
